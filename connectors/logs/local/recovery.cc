#include "connectors/logs/local/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "connectors/logs/local/captured_repair.h"
#include "connectors/logs/local/header_search.h"
#include "connectors/logs/local/segment_cursor.h"
#include "pipeline/base/log.h"

namespace penstock::logs::local {
namespace {

using log_format::kRecordHeaderBytes;

// What recovery works with; the same for every step.
struct Place {
  Disk& disk;
  const std::string& folder;
  LogName log;
  int partitions;

  std::string path(std::uint64_t first_sequence) const { return segment_path(folder, first_sequence); }
};

struct SegmentOnDisk {
  Segment segment;
  log_format::SegmentHeader header;
};

Result<SegmentOnDisk> read_segment_header(const Place& place, std::uint64_t first_sequence) {
  const std::string path = place.path(first_sequence);
  TRY_ASSIGN(const auto file, place.disk.open_read(path));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  std::string bytes(log_format::segment_header_bytes(place.partitions), '\0');
  TRY_ASSIGN(const std::size_t got, file->read(0, bytes.data(), bytes.size()));
  bytes.resize(got);
  auto header = log_format::decode_segment_header(bytes, place.partitions);
  if (header && header->log != place.log) {
    header = fail(ErrorKind::corrupt, fmt::format("is a segment of {}", to_string(header->log)));
  }
  if (header && header->first_sequence != first_sequence) {
    header = fail(ErrorKind::corrupt, fmt::format("says that it starts with record {}", header->first_sequence));
  }
  if (!header) return fail_at(path, 0, header.error());
  return SegmentOnDisk{{first_sequence, header->created, size, header->next}, *header};
}

// A record behind `bad` whose group started after it: proof that the bytes at `bad` had been synced. Returns where it is.
Result<std::optional<std::uint64_t>> find_proof(const ReadFile& file, std::uint64_t bad, std::uint64_t size,
                                                std::uint64_t sequence) {
  return find_header(file, bad + 1, size, [&](const log_format::RecordHeader& header, std::uint64_t position) {
    // A record takes at least its header, which bounds how many can lie between.
    const bool plausible = header.sequence > sequence && (header.sequence - sequence) * kRecordHeaderBytes <= size - bad;
    return plausible && header.group_start > bad && header.group_start <= position;
  });
}

Result<bool> only_zeros(const ReadFile& file, std::uint64_t from, std::uint64_t to) {
  std::vector<char> block(static_cast<std::size_t>(std::min<std::uint64_t>(1 << 20, to - from)));
  while (from < to) {
    TRY_ASSIGN(const std::size_t got,
               file.read(from, block.data(), static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), to - from))));
    if (got == 0 || std::any_of(block.data(), block.data() + got, [](char byte) { return byte != 0; })) return false;
    from += got;
  }
  return true;
}

Result<void> cut_torn_tail(const Place& place, const std::string& path, std::uint64_t end, std::uint64_t size,
                           std::string_view why, bool zeros) {
  log_warning(
      "log", "{}: cut {} bytes at byte {}, the rest of a write that was interrupted ({}); {}", path, size - end, end, why,
      zeros ? "all of them are zeros, as a loss of power leaves what was not synced yet: nothing acknowledged was in them, "
              "unless the disk does not keep what it says it has synced"
            : "nothing acknowledged was in them");
  TRY_ASSIGN(const auto file, place.disk.open_append(path));
  TRY(file->truncate(end));
  return file->sync();
}

// Where and why the records of the last segment end.
Result<void> judge_bad_record(const Place& place, const SegmentCursor& cursor, Recovered& found, const Error& error) {
  if (error.kind != ErrorKind::corrupt) return fail(error);
  Segment& last = found.segments.back();
  TRY_ASSIGN(const auto proof, find_proof(cursor.file(), cursor.position(), last.bytes, found.next_sequence));
  if (proof) {
    return fail(
        error.context(fmt::format("acknowledged events are damaged (a later record, at byte {}, is whole)", *proof)));
  }
  TRY_ASSIGN(const bool zeros, only_zeros(cursor.file(), cursor.position(), last.bytes));
  TRY(cut_torn_tail(place, cursor.path(), cursor.position(), last.bytes,
                    fmt::format("record {} is not whole", found.next_sequence), zeros));
  last.bytes = cursor.position();
  return {};
}

Result<void> scan_last(const Place& place, Recovered& found) {
  const Segment& last = found.segments.back();
  const std::string path = place.path(last.first_sequence);
  TRY_ASSIGN(auto file, place.disk.open_read(path));
  SegmentCursor cursor(std::move(file), path, log_format::segment_header_bytes(place.partitions));
  found.next_sequence = last.first_sequence;
  found.next = last.start;
  found.last_append = last.created;
  for (;;) {
    const std::uint64_t position = cursor.position();
    const auto record = cursor.next(last.bytes);
    if (!record) return judge_bad_record(place, cursor, found, record.error());
    if (!*record) return {};
    const log_format::RecordHeader& header = (*record)->header;
    if (header.sequence != found.next_sequence) {
      return fail_at(path, position,
                     {ErrorKind::corrupt,
                      fmt::format("record {} stands where record {} should", header.sequence, found.next_sequence)});
    }
    if (found.index.empty() || position - found.index.back().position >= kIndexSpacing) {
      found.index.push_back({header.sequence, position, header.appended_at, found.next});
    }
    if (const auto skipped = log_format::skip_record((*record)->record, found.next); !skipped) {
      return fail_at(path, position, skipped.error());
    }
    found.next_sequence = header.sequence + 1;
    found.last_append = std::max(found.last_append, header.appended_at);
  }
}

Result<void> check_chain(const Place& place, const SegmentOnDisk& before, const SegmentOnDisk& after) {
  const auto refuse = [&](const SegmentOnDisk& at, std::uint64_t byte, std::string what) {
    return fail_at(place.path(at.segment.first_sequence), byte, {ErrorKind::corrupt, std::move(what)});
  };
  if (after.header.previous_sequence != before.segment.first_sequence) {
    return refuse(
        after, 0,
        fmt::format("the segment before it, {}, is missing", log_format::segment_name(after.header.previous_sequence)));
  }
  if (after.header.previous_bytes != before.segment.bytes) {
    return refuse(before, std::min(before.segment.bytes, after.header.previous_bytes),
                  fmt::format("the file has {} bytes, but had {} when it was complete", before.segment.bytes,
                              after.header.previous_bytes));
  }
  return {};
}

// A segment whose header never became durable, because the machine stopped while it was made: records follow a header only
// once it is synced, so there is none.
Result<bool> never_used(const Place& place, std::uint64_t first_sequence) {
  const std::string path = place.path(first_sequence);
  TRY_ASSIGN(const auto file, place.disk.open_read(path));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  return size <= log_format::segment_header_bytes(place.partitions);
}

Result<std::vector<std::uint64_t>> list_segments(const Place& place) {
  TRY_ASSIGN(const auto names, place.disk.list(place.folder));
  std::vector<std::uint64_t> sequences;
  for (const std::string& name : names) {
    std::uint64_t sequence = 0;
    if (name.ends_with(kRepairedEnding))
      return fail_at(place.folder + "/" + name, 0, {ErrorKind::corrupt, "a repair was interrupted, and has to be finished"});
    if (log_format::parse_segment_name(name, sequence)) sequences.push_back(sequence);
  }
  return sequences;  // names are sorted, and of one length
}

Result<std::vector<Segment>> read_segments(const Place& place) {
  TRY_ASSIGN(const auto sequences, list_segments(place));
  std::vector<Segment> segments;
  std::optional<SegmentOnDisk> before;
  for (const std::uint64_t sequence : sequences) {
    auto read = read_segment_header(place, sequence);
    const bool replaceable = sequence == sequences.back() && (before.has_value() || sequence == 0);
    if (!read && read.error().kind == ErrorKind::corrupt && replaceable) {
      TRY_ASSIGN(const bool unused, never_used(place, sequence));
      if (unused) {
        log_warning("log", "{}: removed, it was being made when the program stopped and holds nothing",
                    place.path(sequence));
        TRY(place.disk.remove(place.path(sequence)));
        TRY(place.disk.sync_directory(place.folder));
        break;
      }
    }
    if (!read) return fail(std::move(read).error());
    if (before) TRY(check_chain(place, *before, *read));
    segments.push_back(read->segment);
    before = *std::move(read);
  }
  return segments;
}

Result<Recovered> start_empty(const Place& place, Timestamp now) {
  Recovered made;
  made.next.assign(static_cast<std::size_t>(place.partitions), 0);
  const log_format::SegmentHeader header{.log = place.log, .created = now, .next = made.next};
  TRY_ASSIGN(made.last, create_segment(place.disk, place.folder, header));
  made.segments.push_back({0, now, made.last->size(), made.next});
  made.last_append = now;
  return made;
}

}  // namespace

Result<Recovered> recover(Disk& disk, const std::string& folder, LogName log, int partitions, Timestamp now) {
  const Place place{disk, folder, log, partitions};
  Recovered found;
  TRY_ASSIGN(found.segments, read_segments(place));
  if (found.segments.empty()) return start_empty(place, now);
  TRY(scan_last(place, found));
  // After kill -9 the tail may be in the system's cache only. Readers may see it once it is durable.
  const Segment& last = found.segments.back();
  TRY_ASSIGN(found.last, disk.open_append(segment_path(folder, last.first_sequence)));
  TRY(found.last->sync());
  // The same of its name: a sync of the folder that failed ended the process that made it.
  TRY(disk.sync_directory(folder));
  if (found.last->size() != last.bytes) {
    return fail(ErrorKind::conflict, segment_path(folder, last.first_sequence) + " changes while it is opened");
  }
  return found;
}

}  // namespace penstock::logs::local
