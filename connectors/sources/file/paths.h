#pragma once
// Which files a `path` setting names.

#include <time.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sources/file/file_position.h"
#include "pipeline/base/result.h"

namespace penstock::sources::file {

// A `path` setting: one file, or a pattern with * ? [ ] as the shell has them. A relative one starts at `base_folder`.
class PathSetting {
 public:
  PathSetting(const std::string& base_folder, const std::string& path);

  const std::string& path() const { return path_; }  // one file's path, or what the user wrote when it is a pattern
  bool pattern() const { return pattern_; }

  // The paths that are there now, in name order. Of a pattern those that match; else the one path, there or not.
  Result<std::vector<std::string>> list() const;

 private:
  std::string path_;
  std::string escaped_;  // for glob: the base folder taken literally
  bool pattern_;
};

// What stands at a path; nothing when it cannot be looked at, with `errno` saying why.
struct PathState {
  FileId id;
  std::uint64_t size = 0;
  bool regular = false;
  bool directory = false;
  std::int64_t modified = 0;  // nanoseconds since 1970
};
std::int64_t nanoseconds(const timespec& time);
std::optional<PathState> look_at(const std::string& path);

std::string folder_of(const std::string& path);
std::string name_of(const std::string& path);

// Whether rotation makes such names of `base`: "in.log.1", "in.log-20260101", "in.1.log", "in-2026-01-01T08.log" of "in.log".
bool is_rotation_of(std::string_view name, std::string_view base);

// The names in folders, each folder read once. They may have changed since.
class FolderListings {
 public:
  // Where in the folder of `old_path` the inode is now: what rotation made of it. Empty when it is not there.
  std::string find_renamed(const std::string& old_path, std::uint64_t inode);
  // Full paths of what rotation has made of `path`.
  std::vector<std::string> rotations_of(const std::string& path);
  // Reads each folder again when it is asked for.
  void forget() { folders_.clear(); }

 private:
  using Names = std::multimap<std::uint64_t, std::string>;  // by inode
  const Names& names_in(const std::string& folder);
  std::map<std::string, Names> folders_;
};

}  // namespace penstock::sources::file
