#pragma once
// The files of one source that were read before, by the positions the log holds of them.

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "connectors/sources/file/open_file.h"

namespace penstock::sources::file {

using Warnings = std::vector<SourceWarning>;

// A file that is there under another name.
struct MovedFile {
  std::string path;
  FileId id;
  std::int64_t modified = 0;
  std::int64_t changed = 0;
};

class KnownFiles {
 public:
  Result<void> load(const std::vector<SourcePosition>& stored);
  // All but what was reported: going back tells nothing twice.
  void forget();

  // Opens the file at `path`: where its content was left, or at 0 when this content is new. A file that is gone because
  // another one got its inode is reported when it was not read to its end.
  Result<std::unique_ptr<OpenFile>> open(const std::string& path, Warnings& warnings);
  // The same for one that is open, and was read further than what is known of it.
  Result<void> place_again(OpenFile& file, Warnings& warnings);

  // Takes over where a file stands that is being closed. `expected`: it may still be read from, so search() looks for it.
  void put_back(const OpenFile& file, bool expected) { put_back(file.position(), file.partition(), expected); }
  void put_back(const FilePosition& position, const std::string& partition, bool expected);

  // Whether opening it would find nothing that was not read before.
  bool settled(const PathState& now, const std::string& path) const;

  // Files that were expected but are not among those `seen`: those that were renamed within their folder. They stay
  // expected until they are opened. The others are gone; reported, once, when they were not read to their end.
  std::vector<MovedFile> search(const std::vector<std::pair<PathState, std::string>>& seen, FolderListings& folders,
                                Warnings& warnings);

  // What was reported as lost, for the log, so that no later run reports it again: fills the cleared `out` with the position
  // of one such file. False when there is none left.
  bool take_lost(RawBatch& out);

  // Whether it is one of these files, or begins as one of them does: then it is a copy.
  enum class Likeness : std::uint8_t { none, same, copy };
  Result<Likeness> compare(const OpenFile& file) const;
  // Of a path that is followed; 0 when nobody knows. See FilePosition.
  std::int64_t followed_since(const std::string& home) const;
  // Whether a file that was followed at `home` is another one than `now`, which stands there.
  bool followed_another(const std::string& home, const std::optional<PathState>& now) const;

 private:
  struct Known {
    FilePosition position;
    std::string partition;
    bool expected = true;
  };
  void add(Known known);
  Known* newest(const FileId& id, const std::string& path);
  const Known* newest(const FileId& id, const std::string& path) const;
  Result<void> place(OpenFile& file, const std::string& path, Warnings& warnings);
  void report_loss(Known& known, std::string_view how, Warnings& warnings);

  std::vector<Known> files_;  // as long as the log has positions of them; an inode stays that of its partition
  std::unordered_multimap<std::uint64_t, std::size_t> by_inode_;  // places in files_
  std::unordered_map<std::string, std::size_t> by_partition_;
  std::vector<Known> lost_;
  std::set<std::string> reported_;  // partitions
};

}  // namespace penstock::sources::file
