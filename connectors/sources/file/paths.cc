#include "connectors/sources/file/paths.h"

#include <dirent.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace penstock::sources::file {
namespace {

bool absolute(const std::string& path) { return path.starts_with('/'); }

std::string joined(const std::string& folder, const std::string& path) {
  if (folder.empty() || absolute(path)) return path;
  return folder.ends_with('/') ? folder + path : folder + '/' + path;
}

std::string escaped_for_glob(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

}  // namespace

PathSetting::PathSetting(const std::string& base_folder, const std::string& path)
    : path_(joined(base_folder, path)), escaped_(joined(escaped_for_glob(base_folder), path)) {
  // A file that is really called "a[1].ndjson" is that file.
  struct stat found;
  pattern_ = path.find_first_of("*?[") != std::string::npos && ::stat(path_.c_str(), &found) != 0;
}

Result<std::vector<std::string>> PathSetting::list() const {
  if (!pattern_) return std::vector{path_};
  glob_t found{};
  const int code = ::glob(escaped_.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (code == GLOB_NOSPACE) return fail(ErrorKind::limit, fmt::format("{}: too many files match", path_));
  std::ranges::sort(paths);
  return paths;
}

std::optional<PathState> look_at(const std::string& path) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return PathState{FileId{found.st_dev, found.st_ino}, static_cast<std::uint64_t>(found.st_size), S_ISREG(found.st_mode),
                   S_ISDIR(found.st_mode)};
}

std::string find_renamed(const std::string& old_path, std::uint64_t inode) {
  const auto slash = old_path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : old_path.substr(0, slash + 1);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), &::closedir);
  if (!listing) return {};
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_ino != inode || entry->d_type == DT_DIR) continue;
    const std::string_view name = entry->d_name;
    return slash == std::string::npos ? std::string(name) : folder + std::string(name);
  }
  return {};
}

}  // namespace penstock::sources::file
