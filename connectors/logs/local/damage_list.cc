#include "connectors/logs/local/damage_list.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "connectors/logs/local/header_search.h"
#include "connectors/logs/local/segment_cursor.h"
#include "connectors/logs/local/segment_file.h"
#include "pipeline/log/segment_format.h"

namespace penstock::logs::local {
namespace {

using log_format::RecordHeader;
using log_format::SegmentHeader;

class Search {
 public:
  Search(Disk& disk, std::string folder, LogName log, int partitions, std::size_t most)
      : disk_(disk), folder_(std::move(folder)), log_(log), partitions_(partitions), most_(most) {}

  Result<DamageList> run() {
    TRY_ASSIGN(const auto names, disk_.list(folder_));
    for (const std::string& name : names) {
      std::uint64_t first_sequence = 0;
      if (log_format::parse_segment_name(name, first_sequence)) TRY(look_at(first_sequence));
    }
    return std::move(list_);
  }

 private:
  void note(const std::string& path, std::uint64_t position, std::string_view what) {
    if (list_.places.size() >= most_) ++list_.more;
    else list_.places.push_back(fmt::format("{} at byte {}: {}", path, position, what));
  }

  void count(std::string_view record) {
    const auto events = log_format::count_events(record);
    if (!events) return;  // whole, but of no use to a reader
    ++list_.records;
    list_.events += *events;
  }

  Result<void> look_at(std::uint64_t first_sequence) {
    const std::string path = segment_path(folder_, first_sequence);
    TRY_ASSIGN(auto file, disk_.open_read(path));
    TRY_ASSIGN(const std::uint64_t size, file->size());
    const std::size_t header_bytes = log_format::segment_header_bytes(partitions_);
    TRY(look_at_header(*file, path, first_sequence));
    before_ = Before{path, first_sequence, size};
    // What a damaged header or a lost segment says about is told already.
    next_ = first_sequence;
    SegmentCursor cursor(std::move(file), path, header_bytes);
    return look_at_records(cursor, size);
  }

  Result<void> look_at_header(const ReadFile& file, const std::string& path, std::uint64_t first_sequence) {
    std::string bytes(log_format::segment_header_bytes(partitions_), '\0');
    TRY_ASSIGN(const std::size_t got, file.read(0, bytes.data(), bytes.size()));
    bytes.resize(got);
    const auto header = log_format::decode_segment_header(bytes, partitions_);
    if (!header) note(path, 0, header.error().message);
    if (!header) return {};
    if (header->log != log_) note(path, 0, fmt::format("is a segment of {}", to_string(header->log)));
    if (header->first_sequence != first_sequence)
      note(path, 0, fmt::format("says that it starts with record {}", header->first_sequence));
    if (before_) compare_with_before(*header, path);
    return {};
  }

  void compare_with_before(const SegmentHeader& header, const std::string& path) {
    if (header.previous_sequence != before_->first_sequence) {
      return note(path, 0,
                  fmt::format("the segment before it, {}, is missing", log_format::segment_name(header.previous_sequence)));
    }
    if (header.previous_bytes > before_->bytes)
      note(before_->path, before_->bytes, fmt::format("the file ends, but had {} bytes", header.previous_bytes));
    if (header.previous_bytes < before_->bytes)
      note(before_->path, header.previous_bytes, fmt::format("the file goes on to byte {}, but ended here", before_->bytes));
  }

  Result<void> look_at_records(SegmentCursor& cursor, std::uint64_t size) {
    for (bool after_damage = false;;) {
      const std::uint64_t at = cursor.position();
      const auto record = cursor.next(size);
      if (record && !*record) return {};
      if (record) {
        const std::uint64_t sequence = (*record)->header.sequence;
        if (sequence != next_ && !after_damage)
          note(cursor.path(), at, fmt::format("record {} stands where record {} should", sequence, next_));
        next_ = sequence + 1;
        count((*record)->record);
        after_damage = false;
        continue;
      }
      if (record.error().kind != ErrorKind::corrupt) return fail(record.error());
      TRY_ASSIGN(const auto next,
                 find_header(cursor.file(), at + 1, size, [](const RecordHeader&, std::uint64_t) { return true; }));
      note(cursor.path(), at, fmt::format("{} bytes are no whole record", next.value_or(size) - at));
      if (!next) return {};
      cursor.move_to(*next);
      after_damage = true;
    }
  }

  struct Before {
    std::string path;
    std::uint64_t first_sequence;
    std::uint64_t bytes;
  };

  Disk& disk_;
  const std::string folder_;
  const LogName log_;
  const int partitions_;
  const std::size_t most_;
  DamageList list_;
  std::optional<Before> before_;
  std::uint64_t next_ = 0;
};

}  // namespace

Result<DamageList> list_damage(Disk& disk, const std::string& folder, LogName log, int partitions, std::size_t most) {
  return Search(disk, folder, log, partitions, most).run();
}

}  // namespace penstock::logs::local
