#include "connectors/logs/local/seek.h"

#include <algorithm>

namespace penstock::logs::local {

Result<StartingPoint> seek(Disk& disk, const SegmentTable& table, const SegmentTable::Reached& reached) {
  auto found = table.find(reached);
  if (!found)
    return fail(ErrorKind::not_found, table.folder() + ": what is asked for is older than what the log still keeps");
  const Segment& segment = found->segment;
  if (found->next_segment) {
    const std::lock_guard lock(table.index_mutex());
    TRY_ASSIGN(auto index, load_index(disk, table.folder(), segment, *found->next_segment));
    found->index = std::move(index.entries);
  }
  StartingPoint start{segment.first_sequence, log_format::segment_header_bytes(static_cast<int>(segment.start.size())),
                      segment.first_sequence, segment.start};
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

}  // namespace penstock::logs::local
