#include "pipeline/topology/app_reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "pipeline/scripting/cases/app_cases.h"
#include "pipeline/scripting/package/app_files.h"

namespace penstock::topology {
namespace {

std::vector<const scripting::AppPlan*> apps_of(const Chains& chains) {
  std::vector<const scripting::AppPlan*> apps;
  for (const auto& chain : chains) {
    if (chain == nullptr) continue;
    for (const scripting::AppPlan& app : chain->apps) apps.push_back(&app);
  }
  return apps;
}

}  // namespace

Result<void> check_cases(const Chains& running, const Chains& next) {
  const auto known = apps_of(running);
  std::set<std::string> looked_at;
  std::string failing;
  for (const auto* each : apps_of(next)) {
    const scripting::AppPlan& app = *each;
    const bool runs = std::ranges::any_of(known, [&](const auto* other) {
      return other->folder == app.folder && other->source.checksum == app.source.checksum;
    });
    if (runs || !scripting::has_app_file(app.folder + "/cases.yaml") || !looked_at.insert(app.folder).second) continue;
    std::ostringstream report;
    const auto counts = scripting::run_cases(app.folder, report);
    if (!counts) {
      failing += fmt::format("\napp {}: its cases cannot be run: {}", app.name, counts.error().message);
    } else if (counts->failed > 0) {
      failing += fmt::format("\napp {}: {} of {} cases fail\n{}", app.name, counts->failed, counts->failed + counts->passed,
                             report.str());
    }
  }
  if (failing.empty()) return {};
  while (failing.ends_with('\n')) failing.pop_back();
  return fail(ErrorKind::invalid, "the apps fail their own cases, so the running ones stay:" + failing);
}

}  // namespace penstock::topology
