#pragma once
// Reads files of one JSON object per line, in place: the files are the log, and how far each was read is part of ingest's
// commit. Hence every line comes exactly once, across restarts too.
//
// A file is its device, inode and first bytes, not its path. Whole-file mode reads what matches at open, in name order, and
// is over then. Follow mode waits for more and for new files; of a renamed or deleted file the rest is read before what is
// new at its path. Every file that is found is noted, with a position at 0, before more is read of those before it, so
// that a later run looks for it under its new name. When a single path is followed, files that came and went there unseen
// are looked for among the names that rotation gives, and read in the order in which they were written.
// Truncation, damage and files that were gone too early are warnings, counted by the one who polls; other files go on. Such
// a warning may come with an empty partition and no records: there is then nothing to commit.
//
// gzip and zstd are recognised by their first bytes, in whole-file mode only. Going on inside one decompresses it from its
// start, 64 MiB a poll.

#include <cstddef>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sources/file/known_files.h"
#include "connectors/sources/file/open_file.h"
#include "connectors/sources/file/paths.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/config/fields.h"
#include "pipeline/ports/source.h"
#include "pipeline/registry/registry.h"

namespace penstock::sources::file {

enum class Format : std::uint8_t { ndjson };

}  // namespace penstock::sources::file

template <>
struct penstock::config::enum_names<penstock::sources::file::Format> {
  static constexpr std::array names{std::pair{"ndjson", penstock::sources::file::Format::ndjson}};
};

namespace penstock::sources::file {

class FileSource final : public PolledSource {
 public:
  struct Config {
    std::string path;
    bool follow = false;
    Bytes line_max = 1_MiB;
    Format format = Format::ndjson;

    static constexpr auto fields() {
      using config::field;
      using config::Need;
      using config::range;
      return std::tuple{
          field("path", &Config::path,
                "The file, or a pattern such as ./in/*.ndjson (* ? [ ]), read in name order. Relative to the folder of this "
                "file.",
                Need::required),
          field("follow", &Config::follow,
                "Wait for more lines and new files, through rotation, instead of ending with the last file. Not for "
                "compressed files."),
          field("line_max", &Config::line_max, "A longer line becomes a dead letter with its first 64 KiB.",
                range(1_KiB, 64_MiB)),
          field("format", &Config::format,
                "One JSON object per line, and blank lines, which are skipped; gzip and zstd are recognised."),
      };
    }
    void check(config::StructReader& reader) const {
      if (path.empty()) reader.problem("path", "it is empty; it names a file");
    }
  };
  static constexpr std::string_view kSummary =
      "Reads files of one JSON object per line, plain, gzip or zstd, once or as they grow; every line exactly once.";
  static constexpr std::string_view kExample = "path: ./in/*.ndjson\n";
  static bool finite(const Config& config) { return !config.follow; }

  // Followed files held open, at least two: what stands at a path, and an older one. Beyond it those without news are closed and
  // watched by path and size only.
  static constexpr std::size_t kOpenFilesMax = 256;

  FileSource(Config config, const ConnectorContext& context, std::size_t open_files_max = kOpenFilesMax);

  Result<void> open(const std::vector<SourcePosition>& stored) override;
  Result<PollState> poll(RawBatch& out, std::size_t bytes_max) override;
  // As the files are; of a compressed one until it was read to its end.
  std::optional<std::uint64_t> unread_bytes() override;
  // Followed files stay open for an open() after it, which goes back: one that was deleted can be found no other way.
  void close() override;

 private:
  using Written = std::pair<std::int64_t, std::int64_t>;  // when a file was modified, and changed

  Result<void> check_path() const;
  Result<PollState> poll_whole(RawBatch& out, const ReadRules& rules);
  Result<PollState> poll_followed(RawBatch& out, const ReadRules& rules);
  bool read_any(bool detached, RawBatch& out, const ReadRules& rules);
  bool note_any(const OpenFile* but, RawBatch& out);
  const OpenFile* next_in_turn() const;
  Result<void> rescan(Warnings& warnings);
  void begin_to_follow(const std::vector<MovedFile>& older);
  std::vector<MovedFile> find_unseen(FolderListings& folders, Warnings& warnings);
  void adopt_older(std::vector<MovedFile> older, std::size_t opened, FolderListings& folders, Warnings& warnings);
  bool adopt(const std::string& path, std::size_t at, Warnings& warnings);
  void place_again(Warnings& warnings);
  bool is_open(const FileId& id) const;
  void complain_once(const std::string& about, Warnings& warnings);
  bool make_room();
  bool make_room_before(const Written& older, FolderListings& folders);
  void finish_rotated();

  const Config config_;
  const std::size_t open_files_max_;
  const Clock& clock_;
  const PathSetting setting_;
  KnownFiles known_;
  Warnings early_warnings_;  // of open(), told by the first poll

  struct Queued {
    std::string path;
    std::uint64_t size = 0;  // when it was queued; 0 when all of it was read by an earlier run
  };
  std::deque<Queued> queue_;           // whole-file mode: still to be read
  std::uint64_t queued_bytes_ = 0;
  std::unique_ptr<OpenFile> current_;  // whole-file mode

  std::vector<std::unique_ptr<OpenFile>> open_;  // follow mode
  std::size_t turn_ = 0;                         // whose turn it is among open_
  SteadyTime next_scan_{};
  bool behind_ = false;                          // older files wait until fewer are open
  bool rotates_ = false;                         // of a single path: another file stood there before
  std::int64_t followed_since_ = 0;              // of a single path; see FilePosition
  FileId listed_with_;                           // of a single path: the file there when its folder was read last
  SteadyTime next_listing_{};                    // then it is read in any case
  std::set<std::string> complaints_;             // each is told once
};

}  // namespace penstock::sources::file
