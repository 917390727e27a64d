#include "connectors/logs/local/log_copy.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::logs::local {
namespace {

constexpr std::size_t kBlock = 1 << 20;

Result<void> copy_front(Disk& disk, const std::string& from, const std::string& to, std::uint64_t bytes) {
  TRY_ASSIGN(const auto source, disk.open_read(from));
  TRY_ASSIGN(const auto copy, disk.open_append(to));
  std::string block;
  for (std::uint64_t done = 0; done < bytes;) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, bytes - done)));
    TRY_ASSIGN(const std::size_t got, source->read(done, block.data(), block.size()));
    if (got < block.size())
      return fail(ErrorKind::corrupt, fmt::format("{} ends at byte {}, but {} are durable", from, done + got, bytes));
    TRY(copy->append(block));
    done += got;
  }
  return copy->sync();
}

}  // namespace

Result<LogCopy> copy_log(Disk& disk, const SegmentTable& table, const std::string& to) {
  const SegmentTable::Snapshot snapshot = table.snapshot();
  LogCopy made{.next_sequence = snapshot.next_sequence};
  TRY(disk.create_directories(to));
  for (const Segment& segment : snapshot.segments) {
    const std::string source = segment_path(table.folder(), segment.first_sequence);
    const std::string copy = segment_path(to, segment.first_sequence);
    const bool full = &segment != &snapshot.segments.back();
    bool linked = false;
    if (full) {
      TRY_ASSIGN(linked, disk.link(source, copy));
    }
    if (!linked) TRY(copy_front(disk, source, copy, segment.bytes));
    made.bytes += segment.bytes;
  }
  for (std::size_t p = 0; p < snapshot.next.size(); ++p)
    made.events += snapshot.next[p] - snapshot.segments.front().start[p];
  TRY(disk.sync_directory(to));
  return made;
}

}  // namespace penstock::logs::local
