#include "pipeline/scripting/cases/app_cases.h"

#include <ostream>

namespace penstock::scripting {
namespace {

void write(const CaseOutcome& outcome, std::ostream& report) {
  report << outcome.at.to_string() << ": " << outcome.name << '\n';
  for (const std::string& lines : outcome.lines()) {
    report << "    ";
    for (const char c : lines) {
      report << c;
      if (c == '\n') report << "    ";
    }
    report << '\n';
  }
}

}  // namespace

Result<CaseCounts> run_cases(const std::string& folder, std::ostream& report) {
  TRY_ASSIGN(const auto file, read_case_file(folder));
  CaseCounts counts;
  for (const AppCase& one : file.cases) {
    const CaseOutcome outcome = run_case(folder, one, nullptr);
    ++(outcome.passed() ? counts.passed : counts.failed);
    if (!outcome.passed()) write(outcome, report);
  }
  return counts;
}

}  // namespace penstock::scripting
