#include "pipeline/scripting/package/app_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "pipeline/config/lookup.h"
#include "pipeline/scripting/package/bundled_files.h"

namespace penstock::scripting {
namespace {

namespace fs = std::filesystem;

constexpr Bytes kFileMax = 1_MiB;
constexpr std::size_t kFilesMax = 100;
constexpr int kDepthMax = 8;

// "hash_fields/app.lua" of "bundled:/hash_fields/app.lua".
std::string_view inside(std::string_view path) {
  path.remove_prefix(kBundledApps.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

const BundledFile* find(std::string_view path) {
  const auto files = bundled_files();
  const auto it = std::ranges::find(files, inside(path), &BundledFile::path);
  return it == files.end() ? nullptr : &*it;
}

std::string outside(const BundledFile& file) { return fmt::format("{}/{}", kBundledApps, file.path); }

std::vector<std::string> bundled_lua_files(const std::string& folder) {
  std::vector<std::string> found;
  const std::string start = fmt::format("{}/", inside(folder));
  for (const BundledFile& file : bundled_files())
    if (file.path.starts_with(start) && file.path.ends_with(".lua")) found.push_back(outside(file));
  return found;
}

}  // namespace

bool is_bundled(std::string_view folder) {
  return folder.starts_with(kBundledApps) && (folder.size() == kBundledApps.size() || folder[kBundledApps.size()] == '/');
}

bool has_app_file(const std::string& path) {
  std::error_code error;
  return is_bundled(path) ? find(path) != nullptr : fs::is_regular_file(path, error);
}

Result<std::string> read_app_file(const std::string& path) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (!is_bundled(path)) {
    TRY_ASSIGN(std::string text, config::process_lookup().read_file(path, kFileMax));
    if (text.starts_with(kMark)) text.erase(0, kMark.size());
    return text;
  }
  const BundledFile* file = find(path);
  if (file == nullptr) return fail(ErrorKind::not_found, "no such file comes with this program");
  return std::string(file->text);
}

Result<std::vector<std::string>> lua_files(const std::string& folder) {
  if (is_bundled(folder)) return bundled_lua_files(folder);
  std::vector<std::string> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() > kDepthMax) it.disable_recursion_pending();
    if (it->is_symlink(error) || !it->is_regular_file(error) || it->path().extension() != ".lua") continue;
    found.push_back(it->path().string());
    if (found.size() > kFilesMax)
      return fail(ErrorKind::limit, fmt::format("{}: more than {} Lua files", folder, kFilesMax));
  }
  if (error) return fail(ErrorKind::io, fmt::format("{}: {}", folder, error.message()));
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> apps_in(const std::string& place) {
  std::vector<std::string> folders;
  if (is_bundled(place)) {
    for (const BundledFile& file : bundled_files())
      if (file.path.ends_with("/app.yaml")) folders.push_back(fs::path(outside(file)).parent_path().string());
  } else {
    std::error_code error;
    for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error))
      if (has_app_file((it->path() / "app.yaml").string())) folders.push_back(it->path().string());
  }
  std::ranges::sort(folders);
  return folders;
}

}  // namespace penstock::scripting
