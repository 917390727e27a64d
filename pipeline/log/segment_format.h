#pragma once
// A segment file and its index as bytes. Integers are little-endian.
//
// A log is a folder of segments named by the sequence of their first record, "00000000000000000042.seg". A segment is a
// header and then records (record_format.h) without gaps:
//
//   at  size
//    0     8  checksum: xxh3 of the rest of the header
//    8     4  magic "PSEG"
//   12     1  version, 1
//   13     1  log: 0 captured, 1 events
//   14     2  partitions
//   16     8  first sequence
//   24     8  created, ms
//   32     8  first sequence of the segment before, which must be there unless retention took it; its own when it is the first
//   40     8  size of the segment before: it was complete and synced when this one was made
//   48   8*n  for each partition, the offset of its next event
//
// Beside a segment that is full lies "<same name>.idx", the sparse index: what a seek reads instead of the segment. It is
// made from the segment whenever it is missing or damaged.
//
//    0     8  checksum: xxh3 of the rest of the file
//    8     4  magic "PIDX"
//   12     1  version, 1
//   13        varints: partitions, first sequence, next sequence, segment size, number of entries; then per entry:
//             sequence, position of the record in the file, append time, offset of each partition before it
//
// Functions here are pure; any thread may call them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"

namespace penstock::log_format {

inline constexpr std::uint8_t kSegmentVersion = 1;
inline constexpr int kPartitionsMax = 1024;

struct SegmentHeader {
  LogName log = LogName::captured;
  std::uint64_t first_sequence = 0;
  Timestamp created;
  std::uint64_t previous_sequence = 0;
  std::uint64_t previous_bytes = 0;
  Offsets next;  // size = number of partitions

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

std::size_t segment_header_bytes(int partitions);
std::string encode(const SegmentHeader& header);
// From the start of a segment. corrupt: not a header, or not of this many partitions; conflict: of a newer version.
Result<SegmentHeader> decode_segment_header(std::string_view bytes, int partitions);

// A place to start reading from.
struct IndexEntry {
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;  // in the segment file
  Timestamp appended_at;
  Offsets next;  // before this record

  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

struct SegmentIndex {
  int partitions = 0;
  std::uint64_t first_sequence = 0;
  std::uint64_t next_sequence = 0;
  std::uint64_t segment_bytes = 0;
  std::vector<IndexEntry> entries;

  friend bool operator==(const SegmentIndex&, const SegmentIndex&) = default;
};

std::string encode(const SegmentIndex& index);
Result<SegmentIndex> decode_segment_index(std::string_view bytes);

std::string segment_name(std::uint64_t first_sequence);
std::string index_name(std::uint64_t first_sequence);
// False for any other file.
bool parse_segment_name(std::string_view name, std::uint64_t& first_sequence);

}  // namespace penstock::log_format
