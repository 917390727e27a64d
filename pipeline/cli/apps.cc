// penstock app test: the cases of Lua apps.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/scripting/cases/app_cases.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/transform/chain_plan.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwnApps = "apps";  // beside where the command is given

// Every folder with an app.yaml below the places where apps are looked for, by name.
std::vector<std::string> all_apps(const std::vector<std::string>& places) {
  std::vector<std::string> found;
  for (const auto& place : places) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(place, error)) {
      if (fs::exists(entry.path() / "app.yaml")) found.push_back(entry.path().string());
    }
  }
  std::ranges::sort(found);
  return found;
}

// True when all its cases pass.
bool test_app(const std::string& folder) {
  const std::string name = fs::path(folder).lexically_normal().filename().string();
  std::ostringstream report;
  const auto counts = scripting::run_cases(folder, report);
  if (!counts) {
    fmt::print("{:<24} cannot be tested: {}\n", name, counts.error().message);
    return false;
  }
  fmt::print("{:<24} {} passed, {} failed\n{}", name, counts->passed, counts->failed, report.str());
  return counts->failed == 0;
}

}  // namespace

int print_app_reference() {
  fmt::print(
      "# The `app` table\n\n`transform(event, app)` gets it as its second argument. Everything in it is deterministic: the "
      "same event\nthrough the same apps gives the same result.\n\n| In it | Meaning |\n| --- | --- |\n");
  fmt::print("| `app.settings` | The app's settings, as app.yaml declares them and `with:` gives them; read-only. |\n");
  fmt::print("| `app.null` | JSON null; assigning nil deletes. |\n");
  for (const auto& function : scripting::app_functions()) fmt::print("| `{}` | {} |\n", function.usage(), function.doc);
  return kOk;
}

int test_apps(const std::vector<std::string>& names, const topology::PlanContext& context) {
  std::vector<std::string> places{kOwnApps};
  std::ranges::copy(context.plugin_folders, std::back_inserter(places));
  std::vector<std::string> folders;
  for (const auto& name : names) {
    auto folder = scripting::find_app(name, {".", places});
    if (!folder) {
      fmt::print(stderr, "penstock: {}\n", folder.error().message);
      return kUsage;
    }
    folders.push_back(*std::move(folder));
  }
  if (names.empty()) folders = all_apps(places);
  if (folders.empty()) {
    fmt::print(stderr, "penstock: there are no apps in ./{} or among the plugins; name a folder\n", kOwnApps);
    return kUsage;
  }
  const auto failing = std::ranges::count_if(folders, [](const auto& folder) { return !test_app(folder); });
  return failing == 0 ? kOk : kNotWell;
}

}  // namespace penstock::cli
