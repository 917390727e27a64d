#include "pipeline/cli/app_folders.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "pipeline/scripting/transform/chain_plan.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwnApps = "apps";  // beside where the command is given

std::vector<std::string> places(const topology::PlanContext& context) {
  std::vector<std::string> all{kOwnApps};
  std::ranges::copy(context.plugin_folders, std::back_inserter(all));
  return all;
}

}  // namespace

Result<std::string> app_folder(const std::string& name, const topology::PlanContext& context) {
  return scripting::find_app(name, {".", places(context)});
}

Result<std::vector<std::string>> app_folders(const std::vector<std::string>& names, const topology::PlanContext& context) {
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    TRY_ASSIGN(auto folder, app_folder(name, context));
    folders.push_back(std::move(folder));
  }
  if (!names.empty()) return folders;
  std::map<std::string, std::string> found;
  for (const std::string& place : places(context)) {
    std::error_code error;
    for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error))
      if (fs::exists(it->path() / "app.yaml", error)) found.try_emplace(it->path().filename().string(), it->path().string());
  }
  for (const auto& [name, folder] : found) folders.push_back(folder);
  if (folders.empty())
    return fail(ErrorKind::not_found, fmt::format("there are no apps in ./{} or among the plugins; name a folder, or write "
                                                  "one with `penstock app new NAME`",
                                                  kOwnApps));
  return folders;
}

std::string app_name(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace penstock::cli
