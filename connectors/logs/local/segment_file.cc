#include "connectors/logs/local/segment_file.h"

#include <optional>

#include "connectors/logs/local/segment_cursor.h"
#include "pipeline/base/log.h"

namespace penstock::logs::local {
namespace {

std::string index_path(const std::string& folder, std::uint64_t first_sequence) {
  return folder + "/" + log_format::index_name(first_sequence);
}

bool fits(const log_format::SegmentIndex& index, const Segment& segment, std::uint64_t next_sequence) {
  return index.first_sequence == segment.first_sequence && index.next_sequence == next_sequence &&
         index.segment_bytes == segment.bytes && static_cast<std::size_t>(index.partitions) == segment.start.size();
}

Result<log_format::SegmentIndex> index_from_segment(Disk& disk, const std::string& folder, const Segment& segment,
                                                    std::uint64_t next_sequence) {
  const int partitions = static_cast<int>(segment.start.size());
  log_format::SegmentIndex index{.partitions = partitions,
                                 .first_sequence = segment.first_sequence,
                                 .next_sequence = next_sequence,
                                 .segment_bytes = segment.bytes,
                                 .entries = {}};
  const std::string path = segment_path(folder, segment.first_sequence);
  TRY_ASSIGN(auto file, disk.open_read(path));
  SegmentCursor cursor(std::move(file), path, log_format::segment_header_bytes(partitions));
  Offsets next = segment.start;
  for (;;) {
    const std::uint64_t position = cursor.position();
    TRY_ASSIGN(const auto found, cursor.next(segment.bytes));
    if (!found) return index;
    if (index.entries.empty() || position - index.entries.back().position >= kIndexSpacing) {
      index.entries.push_back({found->header.sequence, position, found->header.appended_at, next});
    }
    if (const auto skipped = log_format::skip_record(found->record, next); !skipped) {
      return fail_at(path, position, skipped.error());
    }
  }
}

// Nullopt: there is none.
Result<std::optional<log_format::SegmentIndex>> index_from_file(Disk& disk, const std::string& path, const Segment& segment,
                                                                std::uint64_t next_sequence) {
  TRY_ASSIGN(const bool there, disk.exists(path));
  if (!there) return std::nullopt;
  TRY_ASSIGN(const std::string bytes, disk.read_all(path));
  auto index = log_format::decode_segment_index(bytes);
  if (!index) return fail(index.error().kind, path + " " + index.error().message);
  if (!fits(*index, segment, next_sequence))
    return fail(ErrorKind::corrupt, path + " does not belong to the segment beside it");
  return *std::move(index);
}

}  // namespace

std::string segment_path(const std::string& folder, std::uint64_t first_sequence) {
  return folder + "/" + log_format::segment_name(first_sequence);
}

Result<std::unique_ptr<AppendFile>> create_segment(Disk& disk, const std::string& folder,
                                                   const log_format::SegmentHeader& header) {
  const std::string path = segment_path(folder, header.first_sequence);
  auto opened = disk.open_append(path);
  if (!opened) return fail(ErrorKind::unavailable, opened.error().message);
  std::unique_ptr<AppendFile> file = *std::move(opened);
  // What an earlier attempt left behind holds no record: a segment is used only once its header is durable.
  auto written = file->size() == 0 ? Result<void>() : file->truncate(0);
  if (written) written = file->append(log_format::encode(header));
  if (!written) {
    if (const auto removed = disk.remove(path); !removed) log_warning("log", "{}", removed.error().message);
    return fail(ErrorKind::unavailable, written.error().message);
  }
  TRY(file->sync());
  TRY(disk.sync_directory(folder));
  return file;
}

Result<void> remove_segment(Disk& disk, const std::string& folder, std::uint64_t first_sequence) {
  for (const std::string& path : {index_path(folder, first_sequence), segment_path(folder, first_sequence)}) {
    TRY_ASSIGN(const bool there, disk.exists(path));
    if (there) TRY(disk.remove(path));
  }
  return disk.sync_directory(folder);
}

Result<log_format::SegmentIndex> load_index(Disk& disk, const std::string& folder, const Segment& segment,
                                            std::uint64_t next_sequence) {
  auto found = index_from_file(disk, index_path(folder, segment.first_sequence), segment, next_sequence);
  if (found && *found) return **std::move(found);
  if (!found) log_warning("log", "{}; making it again from the segment", found.error().message);
  TRY_ASSIGN(auto index, index_from_segment(disk, folder, segment, next_sequence));
  write_index(disk, folder, index);
  return index;
}

void write_index(Disk& disk, const std::string& folder, const log_format::SegmentIndex& index) {
  const std::string path = index_path(folder, index.first_sequence);
  if (const auto written = disk.write_atomically(path, log_format::encode(index)); !written) {
    log_warning("log", "the index {} could not be written ({}); reading works without it, only slower to start", path,
                written.error().message);
  }
}

}  // namespace penstock::logs::local
