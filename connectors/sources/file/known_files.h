#pragma once
// The files of one source that were read before, by the positions the log holds of them.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sources/file/open_file.h"

namespace penstock::sources::file {

using Warnings = std::vector<std::string>;

class KnownFiles {
 public:
  Result<void> load(const std::vector<SourcePosition>& stored);

  // Opens the file at `path`: where its content was left, or at 0 when this content is new. A file that is gone because
  // another one got its inode is reported when it was not read to its end.
  Result<std::unique_ptr<OpenFile>> open(const std::string& path, Warnings& warnings);

  // Takes over where a file stands that is being closed. `expected`: it may still be read from, so search() looks for it.
  void put_back(const OpenFile& file, bool expected);

  // Whether opening it would find nothing that was not read before.
  bool settled(const PathState& now, const std::string& path) const;

  // Files that were expected but are not among those `seen`: the new names of those that were renamed within their folder.
  // The others are gone; reported when they were not read to their end. Looks for each only once.
  std::vector<std::string> search(const std::vector<std::pair<PathState, std::string>>& seen, Warnings& warnings);

 private:
  struct Known {
    FilePosition position;
    std::string partition;
    bool expected = true;
  };
  Known* newest(const FileId& id, const std::string& path);
  const Known* newest(const FileId& id, const std::string& path) const;

  std::vector<Known> files_;
};

}  // namespace penstock::sources::file
