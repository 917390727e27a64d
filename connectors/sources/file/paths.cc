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

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

std::optional<PathState> look_at(const std::string& path) {
  struct stat found;
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return PathState{FileId{found.st_dev, found.st_ino}, static_cast<std::uint64_t>(found.st_size), S_ISREG(found.st_mode),
                   S_ISDIR(found.st_mode), nanoseconds(found.st_mtim)};
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

std::string name_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool is_rotation_of(std::string_view name, std::string_view base) {
  // A number or a time, set off from what is around it; "app-errors.log" is another log.
  const auto numbered = [](std::string_view mark) {
    constexpr std::string_view kDigits = "0123456789";
    return mark.find_first_of("._-") == 0 && mark.find_first_of(kDigits) != std::string_view::npos &&
           mark.find_first_not_of("0123456789._-:+TZ") == std::string_view::npos;
  };
  if (name.size() <= base.size()) return false;
  if (name.starts_with(base)) return numbered(name.substr(base.size()));
  const auto dot = base.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  return name.starts_with(base.substr(0, dot)) && name.ends_with(base.substr(dot)) &&
         numbered(name.substr(dot, name.size() - base.size()));
}

const FolderListings::Names& FolderListings::names_in(const std::string& folder) {
  const auto [found, added] = folders_.try_emplace(folder);
  if (!added) return found->second;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), &::closedir);
  if (!listing) return found->second;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_type != DT_DIR) found->second.emplace(entry->d_ino, entry->d_name);
  }
  return found->second;
}

std::string FolderListings::find_renamed(const std::string& old_path, std::uint64_t inode) {
  const std::string folder = folder_of(old_path);
  const Names& names = names_in(folder);
  const auto found = names.find(inode);
  if (found == names.end()) return {};
  return folder == "." ? found->second : folder + found->second;
}

std::vector<std::string> FolderListings::rotations_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const std::string base = name_of(path);
  std::vector<std::string> paths;
  for (const auto& [inode, name] : names_in(folder)) {
    if (is_rotation_of(name, base)) paths.push_back(folder == "." ? name : folder + name);
  }
  return paths;
}

}  // namespace penstock::sources::file
