// penstock app test: the cases of Lua apps.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/app_folders.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/scripting/cases/app_cases.h"

namespace penstock::cli {
namespace {

// True when all its cases pass.
bool test_app(const std::string& folder) {
  std::ostringstream report;
  const auto counts = scripting::run_cases(folder, report);
  if (!counts) {
    fmt::print("{:<24} cannot be tested: {}\n", app_name(folder), counts.error().message);
    return false;
  }
  fmt::print("{:<24} {} passed, {} failed\n{}", app_name(folder), counts->passed, counts->failed, report.str());
  return counts->failed == 0;
}

}  // namespace

int test_apps(const std::vector<std::string>& names, const topology::PlanContext& context) {
  const auto folders = app_folders(names, context);
  if (!folders) {
    fmt::print(stderr, "penstock: {}\n", folders.error().message);
    return kUsage;
  }
  const auto failing = std::ranges::count_if(*folders, [](const auto& folder) { return !test_app(folder); });
  return failing == 0 ? kOk : kNotWell;
}

}  // namespace penstock::cli
