#include "pipeline/cli/app_folders.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "pipeline/scripting/package/app_files.h"
#include "pipeline/scripting/transform/chain_plan.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHere = ".";

}  // namespace

Result<std::string> app_folder(const std::string& name, const topology::PlanContext& context) {
  return scripting::find_app(name, {kHere, topology::app_places(kHere, context)});
}

std::vector<std::string> all_app_folders(const topology::PlanContext& context) {
  std::map<std::string, std::string> found;
  for (const std::string& place : topology::app_places(kHere, context))
    for (const std::string& folder : scripting::apps_in(place)) found.try_emplace(app_name(folder), folder);
  std::vector<std::string> folders;
  for (const auto& [name, folder] : found) folders.push_back(folder);
  return folders;
}

Result<std::vector<std::string>> app_folders(const std::vector<std::string>& names, const topology::PlanContext& context) {
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    TRY_ASSIGN(auto folder, app_folder(name, context));
    folders.push_back(std::move(folder));
  }
  if (!names.empty()) return folders;
  const auto all = all_app_folders(context);
  std::ranges::copy_if(all, std::back_inserter(folders), [](const auto& folder) { return !scripting::is_bundled(folder); });
  return folders.empty() ? all : folders;
}

std::string shown_folder(const std::string& folder) {
  return scripting::is_bundled(folder) ? "comes with penstock" : folder;
}

std::string app_name(const std::string& folder) {
  const fs::path path = fs::path(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace penstock::cli
