#include "connectors/logs/local/captured_repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "connectors/logs/local/header_search.h"
#include "connectors/logs/local/recovery.h"
#include "connectors/logs/local/segment_cursor.h"

namespace penstock::logs::local {
namespace {

constexpr std::size_t kComparedAtOnce = 1 << 20;

using log_format::RecordHeader;
using log_format::SegmentHeader;

struct Place {
  Disk& disk;
  const std::string& folder;
  const std::vector<std::uint64_t>& next_to_read;
  Timestamp now;

  int partitions() const { return static_cast<int>(next_to_read.size()); }
  std::uint64_t oldest_needed() const { return std::ranges::min(next_to_read); }
  std::uint64_t newest_read() const { return std::ranges::max(next_to_read); }  // and after it
};

struct OldSegment {
  std::uint64_t first_sequence = 0;
  std::string path;
};

// Bytes behind the newest whole record that are none: what they held cannot be counted.
struct Tail {
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::string newest_file;

  void add(const std::string& path, std::uint64_t more) {
    if (more > 0 && path != newest_file) ++files;
    if (more > 0) newest_file = path;
    bytes += more;
  }
};

// What the first look at all segments finds.
struct Found {
  std::vector<std::string> damage;
  Tail tail;
  std::uint64_t next_sequence = 0;  // after the newest whole record
  std::uint64_t lost_events = 0;
  Offsets next;             // of each partition, as far as known
  std::vector<bool> known;  // by partition, whether it is
};

using TakeRecord = std::function<Result<void>(const SegmentCursor::Found& record)>;

Result<std::uint64_t> file_bytes(const Place& place, const std::string& path) {
  TRY_ASSIGN(const auto file, place.disk.open_read(path));
  return file->size();
}

Result<SegmentHeader> read_header(const Place& place, const std::string& path) {
  TRY_ASSIGN(const auto file, place.disk.open_read(path));
  std::string bytes(log_format::segment_header_bytes(place.partitions()), '\0');
  TRY_ASSIGN(const std::size_t got, file->read(0, bytes.data(), bytes.size()));
  bytes.resize(got);
  auto header = log_format::decode_segment_header(bytes, place.partitions());
  if (!header) return fail(header.error().context(path));
  return header;
}

// What stood between the offset where the partition was known to be, and here, is missing, and so are its records.
void move_offset(const Place& place, std::size_t partition, std::uint64_t offset, std::uint64_t sequence, Found& found) {
  std::uint64_t& next = found.next[partition];
  const bool was_needed = sequence > place.next_to_read[partition];
  if (found.known[partition] && offset > next && was_needed) found.lost_events += offset - next;
  found.known[partition] = true;
  next = std::max(next, offset);
}

// False: it is none of this log.
Result<bool> take_header(const Place& place, const OldSegment& segment, Found& found) {
  const auto header = read_header(place, segment.path);
  if (!header && header.error().kind != ErrorKind::corrupt) return fail(header.error());
  if (!header) {
    found.damage.push_back(header.error().message);
    return true;
  }
  if (header->log != LogName::captured) {
    found.damage.push_back(fmt::format("{}: is a segment of {}", segment.path, to_string(header->log)));
    TRY_ASSIGN(const std::uint64_t bytes, file_bytes(place, segment.path));
    found.tail.add(segment.path, bytes);
    return false;
  }
  for (std::size_t p = 0; p < header->next.size(); ++p)
    move_offset(place, p, header->next[p], header->first_sequence, found);
  return true;
}

// Gives every whole record of the segment, and notes the bytes between them.
Result<void> read_whole_records(const Place& place, const OldSegment& segment, Found& found, const TakeRecord& take) {
  TRY_ASSIGN(auto file, place.disk.open_read(segment.path));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  SegmentCursor cursor(std::move(file), segment.path, log_format::segment_header_bytes(place.partitions()));
  for (;;) {
    const auto record = cursor.next(size);
    if (record && !*record) return {};
    if (record) {
      TRY(take(**record));
      continue;
    }
    if (record.error().kind != ErrorKind::corrupt) return fail(record.error());
    const std::uint64_t bad = cursor.position();
    TRY_ASSIGN(const auto next,
               find_header(cursor.file(), bad + 1, size, [](const RecordHeader&, std::uint64_t) { return true; }));
    const std::uint64_t bytes = next.value_or(size) - bad;
    found.damage.push_back(fmt::format("{} at byte {}: {} bytes are no whole record", segment.path, bad, bytes));
    found.tail.add(segment.path, bytes);
    if (!next) return {};
    cursor.move_to(*next);
  }
}

// In the order of their numbers; what is in a file that stands in another's place is passed over.
Result<void> walk(const Place& place, const std::vector<OldSegment>& segments, Found& found, const TakeRecord& take) {
  std::uint64_t next = 0;
  for (const OldSegment& segment : segments) {
    TRY_ASSIGN(const bool ours, take_header(place, segment, found));
    if (!ours) continue;
    TRY(read_whole_records(place, segment, found, [&](const SegmentCursor::Found& record) -> Result<void> {
      if (record.header.sequence < next) {
        found.tail.add(segment.path, record.record.size());
        return {};
      }
      next = record.header.sequence + 1;
      found.tail = {};
      return take(record);
    }));
  }
  return {};
}

Result<Tail> unreadable_end(const Place& place, const std::vector<OldSegment>& segments) {
  Found found;
  found.next.assign(place.next_to_read.size(), 0);
  found.known.assign(place.next_to_read.size(), false);
  TRY(walk(place, segments, found, [](const SegmentCursor::Found&) -> Result<void> { return {}; }));
  return found.tail;
}

Result<Found> look_at_all(const Place& place, const std::vector<OldSegment>& segments) {
  Found found;
  found.next.assign(place.next_to_read.size(), 0);
  found.known.assign(place.next_to_read.size(), false);
  found.next_sequence = segments.empty() ? 0 : std::min(segments.front().first_sequence, place.oldest_needed());
  TRY(walk(place, segments, found, [&](const SegmentCursor::Found& record) -> Result<void> {
    const std::uint64_t sequence = record.header.sequence;
    const std::uint64_t expected = std::exchange(found.next_sequence, sequence + 1);
    const bool begins = !segments.empty() && expected <= place.oldest_needed() && sequence <= place.oldest_needed();
    if (sequence > expected && !begins)
      found.damage.push_back(fmt::format("{}: records {} to {} are missing", place.folder, expected, sequence - 1));
    TRY_ASSIGN(const LogRecord contents, log_format::take_apart(record.record));
    for (const std::string& chunk : contents.chunks) {
      TRY_ASSIGN(const ChunkLabel label, chunk_label(chunk));
      const auto partition = static_cast<std::size_t>(label.partition);
      if (partition >= found.next.size())
        return fail(ErrorKind::corrupt, fmt::format("a chunk of partition {} in record {}", partition, sequence));
      move_offset(place, partition, label.base_offset, sequence, found);
      found.next[partition] = std::max(found.next[partition], label.base_offset + label.events);
    }
    return {};
  }));
  return found;
}

// A second name is how a file is there at every moment: without it nothing may be removed.
Result<void> link(const Place& place, const std::string& from, const std::string& to) {
  TRY_ASSIGN(const bool linked, place.disk.link(from, to));
  if (linked) return {};
  return fail(ErrorKind::io, fmt::format("{}: the file system has no hard links; repair a copy of the data folder on one "
                                         "that has, and move it back",
                                         place.folder));
}

Result<bool> same_bytes(const Place& place, const std::string& one, const std::string& other) {
  TRY_ASSIGN(const auto first, place.disk.open_read(one));
  TRY_ASSIGN(const auto second, place.disk.open_read(other));
  TRY_ASSIGN(const std::uint64_t size, first->size());
  TRY_ASSIGN(const std::uint64_t other_size, second->size());
  if (size != other_size) return false;
  std::string a(kComparedAtOnce, '\0');
  std::string b(kComparedAtOnce, '\0');
  for (std::uint64_t at = 0; at < size; at += kComparedAtOnce) {
    TRY_ASSIGN(const std::size_t got, first->read(at, a.data(), a.size()));
    TRY_ASSIGN(const std::size_t other_got, second->read(at, b.data(), b.size()));
    if (std::string_view(a).substr(0, got) != std::string_view(b).substr(0, other_got)) return false;
  }
  return true;
}

class NewSegment {
 public:
  NewSegment(const Place& place, Offsets next)
      : place_(place), path_(segment_path(place.folder, place.oldest_needed())), next_sequence_(place.oldest_needed()),
        next_(std::move(next)), last_append_(place.now) {}

  Result<void> begin() {
    TRY_ASSIGN(file_, place_.disk.open_append(path_ + ".new"));
    TRY(file_->truncate(0));
    return file_->append(log_format::encode(SegmentHeader{.log = LogName::captured,
                                                          .first_sequence = next_sequence_,
                                                          .created = place_.now,
                                                          .previous_sequence = next_sequence_,
                                                          .next = next_}));
  }

  Result<void> add(LogRecord record, const RecordHeader& header, CapturedRepair& repair) {
    if (header.sequence < next_sequence_) return {};
    TRY(fill_up_to(header.sequence, repair));
    TRY_ASSIGN(auto prepared, log_format::prepare(std::move(record), place_.partitions()));
    for (const auto& label : prepared.labels) repair.kept_events += label.events;
    ++repair.kept_records;
    return write(prepared, header.appended_at);
  }

  // Empty records in the place of those that are missing.
  Result<void> fill_up_to(std::uint64_t sequence, CapturedRepair& repair) {
    TRY_ASSIGN(auto nothing, log_format::prepare({}, place_.partitions()));
    while (next_sequence_ < sequence) {
      ++repair.lost_records;
      TRY(write(nothing, last_append_));
    }
    return {};
  }

  // Complete, and known as that.
  Result<void> finish() {
    TRY(file_->sync());
    file_.reset();
    const std::string done = path_ + std::string(kRepairedEnding);
    TRY(link(place_, path_ + ".new", done));
    TRY(place_.disk.remove(path_ + ".new"));
    return place_.disk.sync_directory(place_.folder);
  }

 private:
  Result<void> write(log_format::PreparedRecord& record, Timestamp appended_at) {
    last_append_ = appended_at;
    std::string bytes;
    log_format::append_record(record, {next_sequence_++, appended_at, file_->size()}, next_, bytes);
    return file_->append(bytes);
  }

  const Place& place_;
  const std::string path_;
  std::uint64_t next_sequence_;
  Offsets next_;
  Timestamp last_append_;
  std::unique_ptr<AppendFile> file_;
};

// All that are needed and whole, in a new segment that is not yet in its place.
Result<void> save_needed(const Place& place, const std::vector<OldSegment>& segments, Found& found, CapturedRepair& repair) {
  NewSegment made(place, found.next);
  TRY(made.begin());
  Found again = found;
  TRY(walk(place, segments, again, [&](const SegmentCursor::Found& record) -> Result<void> {
    TRY_ASSIGN(LogRecord contents, log_format::take_apart(record.record));
    return made.add(std::move(contents), record.header, repair);
  }));
  TRY(made.fill_up_to(place.newest_read(), repair));
  TRY(made.finish());
  repair.lost_events = found.lost_events;
  repair.end_bytes = found.tail.bytes;
  repair.end_files = found.tail.files;
  repair.end_is_known = found.tail.bytes == 0 && found.next_sequence >= place.newest_read();
  repair.end = std::max(found.next_sequence, place.newest_read());
  repair.damage = std::move(found.damage);
  return {};
}

Result<void> set_aside(const Place& place, const OldSegment& segment, CapturedRepair& repair) {
  // An earlier repair may have left one of that name: what it could not read then is all there is of it. The call that was
  // interrupted behind the link left this very file.
  const std::string ending = segment.path + std::string(kDamagedEnding);
  std::string aside = ending;
  bool is_aside = false;
  for (int number = 2;; ++number) {
    TRY_ASSIGN(const bool taken, place.disk.exists(aside));
    if (!taken) break;
    TRY_ASSIGN(is_aside, same_bytes(place, segment.path, aside));
    if (is_aside) break;
    aside = fmt::format("{}.{}", ending, number);
  }
  if (!is_aside) TRY(link(place, segment.path, aside));
  TRY(place.disk.sync_directory(place.folder));
  TRY(remove_segment(place.disk, place.folder, segment.first_sequence));
  repair.set_aside.push_back(aside);
  return {};
}

Result<void> put_in_place(const Place& place, const std::string& repaired, const std::vector<OldSegment>& segments,
                          CapturedRepair& repair) {
  const std::string path = repaired.substr(0, repaired.size() - kRepairedEnding.size());
  TRY_ASSIGN(const SegmentHeader header, read_header(place, repaired));
  bool there = false;
  for (const OldSegment& segment : segments) {
    const auto old = segment.path == path ? read_header(place, path) : fail(ErrorKind::not_found, "");
    if (old && *old == header) there = true;
    else TRY(set_aside(place, segment, repair));
  }
  if (!there) TRY(link(place, repaired, path));
  TRY(place.disk.sync_directory(place.folder));
  TRY(place.disk.remove(repaired));
  return place.disk.sync_directory(place.folder);
}

struct Listed {
  std::vector<OldSegment> segments;
  std::string repaired;  // path; empty: there is none
};

Result<Listed> list_segments(const Place& place) {
  TRY_ASSIGN(const auto names, place.disk.list(place.folder));
  Listed listed;
  for (const std::string& name : names) {
    std::uint64_t first = 0;
    if (name.ends_with(kRepairedEnding)) listed.repaired = place.folder + "/" + name;
    else if (log_format::parse_segment_name(name, first)) listed.segments.push_back({first, place.folder + "/" + name});
  }
  return listed;
}

}  // namespace

Result<CapturedRepair> repair_captured(Disk& disk, const std::string& folder, const std::vector<std::uint64_t>& next_to_read,
                                       Timestamp now) {
  const Place place{disk, folder, next_to_read, now};
  TRY(disk.create_directories(folder));
  CapturedRepair repair;
  TRY_ASSIGN(Listed listed, list_segments(place));
  repair.was_interrupted = !listed.repaired.empty();
  if (!repair.was_interrupted) {
    // Opening cuts off what looks like the rest of a write. It may as well be what accepted requests were damaged to.
    TRY_ASSIGN(const Tail cut, unreadable_end(place, listed.segments));
    const auto opened = recover(disk, folder, LogName::captured, place.partitions(), now);
    if (!opened && opened.error().kind != ErrorKind::corrupt) return fail(opened.error());
    TRY_ASSIGN(listed, list_segments(place));
    TRY_ASSIGN(Found found, look_at_all(place, listed.segments));
    const bool begins_early = listed.segments.front().first_sequence <= place.oldest_needed();
    const bool ends_late = opened && opened->next_sequence >= place.newest_read();
    repair.was_whole = found.damage.empty() && begins_early && ends_late;
    repair.end_bytes = cut.bytes;
    repair.end_files = cut.files;
    if (repair.was_whole) return repair;
    if (found.tail.bytes < cut.bytes) found.tail = cut;
    TRY(save_needed(place, listed.segments, found, repair));
    if (!opened && repair.damage.empty()) repair.damage.push_back(without_advice(opened.error().message));
    TRY_ASSIGN(listed, list_segments(place));
  }
  TRY(put_in_place(place, listed.repaired, listed.segments, repair));
  return repair;
}

}  // namespace penstock::logs::local
