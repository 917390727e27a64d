#pragma once
// One file being read: fills batches with its records and knows where it stands.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sources/file/file_position.h"
#include "connectors/sources/file/line_cutter.h"
#include "connectors/sources/file/paths.h"
#include "connectors/sources/file/unpacker.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/source.h"

namespace penstock::sources::file {

struct ReadRules {
  std::size_t bytes_max = 1 << 20;
  std::uint64_t line_bytes_max = 1 << 20;
  bool follow = false;  // the file may grow: a last line without line end waits
};

enum class ReadState : std::uint8_t {
  data,     // the batch was filled; records may be none when only the position moved
  nothing,  // nothing new for now
  end,      // read to its end, for good
  packed,   // followed, but it turned out to be compressed
};

class OpenFile {
 public:
  // Opens without waiting (a FIFO would) and refuses what is not a regular file.
  static Result<std::unique_ptr<OpenFile>> open(const std::string& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // Takes its size and times as they are now; reading does so too.
  Result<void> look();
  FileId id() const { return position_.id; }
  std::uint64_t size() const { return size_; }  // when last looked at
  Packing packing() const { return packing_; }
  const FilePosition& position() const { return position_; }
  std::uint64_t unread_bytes();  // as the file is now
  const std::string& partition() const { return partition_; }
  const std::string& path() const { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }
  bool unlinked() const { return unlinked_; }
  std::int64_t modified() const { return modified_; }  // when last looked at, as PathState
  std::int64_t changed() const { return changed_; }    // the same, renaming counts too

  // Before the first read: whether `stored` speaks of this content.
  Result<bool> is(const Fingerprint& stored) const;
  // Goes on where a stored position ends.
  void resume(const FilePosition& stored, std::string partition);
  // As if it had just been opened.
  Result<void> forget();
  // What its positions are to say from now on; see FilePosition.
  void follow(const std::string& home, std::int64_t since);
  const std::string& home() const { return position_.home; }
  // Starts at 0 as the next content of this inode.
  void start(std::uint32_t generation) { position_.generation = generation; }

  // Fills the cleared `out`. A file that was truncated since the last read starts again at 0, with a warning.
  Result<ReadState> read(RawBatch& out, const ReadRules& rules);
  // Fills the cleared `out` with where it stands and no records: what a later run needs to find it, whatever its name.
  Result<void> note(RawBatch& out);
  bool noted() const { return !partition_.empty(); }
  // Contents that ended with a truncation since this was last asked, with their partitions.
  std::vector<std::pair<FilePosition, std::string>> take_ended() { return std::exchange(ended_contents_, {}); }

  // For the one who holds it: since when there has been nothing to read, and whether its path leads to it.
  SteadyTime idle_since{};
  bool detached = false;
  bool waits = false;      // not read before older ones that could not be opened yet, also once it is renamed
  bool finishing = false;  // nothing will be written to it any more: its last line counts as it is

 private:
  OpenFile(int fd, std::string path);

  Result<ReadState> read_plain(RawBatch& out, const ReadRules& rules, bool last_counts);
  Result<ReadState> read_packed(RawBatch& out, const ReadRules& rules);
  Result<bool> skip_read_content();
  Result<bool> confirm_content();
  Result<std::size_t> read_at(std::uint64_t offset, char* out, std::size_t size) const;
  void restart(RawBatch& out);
  void emit(RawBatch& out, const Cut& cut, bool complete);

  const int fd_;
  std::string path_;
  std::string partition_;  // empty until it was noted, or its first record read
  FilePosition position_;
  std::uint64_t size_ = 0;
  bool unlinked_ = false;
  std::int64_t modified_ = 0;
  std::int64_t changed_ = 0;
  std::vector<std::pair<FilePosition, std::string>> ended_contents_;
  Packing packing_ = Packing::none;

  std::unique_ptr<Unpacker> unpacker_;
  std::uint64_t skip_ = 0;     // decompressed bytes that an earlier run has read
  std::string carry_;          // decompressed bytes after position_.offset
  bool ended_ = false;         // the compressed content has been read to its end
};

}  // namespace penstock::sources::file
