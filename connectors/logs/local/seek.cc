#include "connectors/logs/local/seek.h"

#include <algorithm>

#include "connectors/logs/local/segment_cursor.h"

namespace penstock::logs::local {
namespace {

// The index of a segment that was found: in the table for the last one, else beside the segment. False: retention has taken the
// segment meanwhile.
Result<bool> take_index(Disk& disk, const SegmentTable& table, SegmentTable::Found& found) {
  if (!found.next_segment) return true;
  const std::lock_guard lock(table.index_mutex());
  if (!table.extent(found.segment.first_sequence)) return false;
  TRY_ASSIGN(auto index, load_index(disk, table.folder(), found.segment, *found.next_segment));
  found.index = std::move(index.entries);
  return true;
}

StartingPoint start_of(const Segment& segment) {
  return {segment.first_sequence, log_format::segment_header_bytes(static_cast<int>(segment.start.size())),
          segment.first_sequence, segment.start};
}

// Where the first record from `time` on stands, in the segment that was found.
Result<Offsets> offsets_in(Disk& disk, const SegmentTable& table, const SegmentTable::Found& found, std::uint64_t bytes,
                           Timestamp time) {
  StartingPoint at = start_of(found.segment);
  const auto after = std::ranges::partition_point(
      found.index, [&](const log_format::IndexEntry& entry) { return entry.appended_at < time; });
  if (after != found.index.begin()) {
    at.position = std::prev(after)->position;
    at.next = std::prev(after)->next;
  }
  const std::string path = segment_path(table.folder(), at.segment);
  TRY_ASSIGN(auto file, disk.open_read(path));
  SegmentCursor cursor(std::move(file), path, at.position);
  for (;;) {
    const std::uint64_t position = cursor.position();
    TRY_ASSIGN(const auto record, cursor.next(bytes));
    if (!record || record->header.appended_at >= time) return at.next;
    if (const auto skipped = log_format::skip_record(record->record, at.next); !skipped) {
      return fail_at(path, position, skipped.error());
    }
  }
}

}  // namespace

// Both look again when retention has taken the segment that they found: each time it is an older one.

Result<StartingPoint> seek(Disk& disk, const SegmentTable& table, const SegmentTable::Reached& reached) {
  for (;;) {
    auto found = table.find(reached);
    if (!found)
      return fail(ErrorKind::not_found, table.folder() + ": what is asked for is older than what the log still keeps");
    TRY_ASSIGN(const bool there, take_index(disk, table, *found));
    if (!there) continue;
    StartingPoint start = start_of(found->segment);
    const auto after = std::ranges::partition_point(
        found->index, [&](const log_format::IndexEntry& entry) { return reached(entry.sequence, entry.next); });
    if (after != found->index.begin()) {
      auto& entry = *std::prev(after);
      start.position = entry.position;
      start.sequence = entry.sequence;
      start.next = std::move(entry.next);
    }
    return start;
  }
}

Result<Offsets> seek_time(Disk& disk, const SegmentTable& table, Timestamp time) {
  for (;;) {
    auto found = table.find_before(time);
    if (!found) return table.begin();
    TRY_ASSIGN(const bool there, take_index(disk, table, *found));
    const auto extent = table.extent(found->segment.first_sequence);
    if (!there || !extent) continue;
    auto offsets = offsets_in(disk, table, *found, extent->bytes, time);
    if (offsets || table.extent(found->segment.first_sequence)) return offsets;
  }
}

}  // namespace penstock::logs::local
