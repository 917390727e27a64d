#pragma once
// Which files a `path` setting names.

#include <optional>
#include <string>
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
};
std::optional<PathState> look_at(const std::string& path);

// Another name of a file in the folder where it was: what rotation made of it. Empty when there is none.
std::string find_renamed(const std::string& old_path, std::uint64_t inode);

}  // namespace penstock::sources::file
