#pragma once
// One record of a log as bytes. Integers are little-endian.
//
//   at  size
//    0     8  checksum: xxh3 of everything after it, header and payload
//    8     4  magic F5 50 C0 52: two of its bytes cannot occur in UTF-8 text
//   12     1  version, 1
//   13     1  kind: 0, a commit
//   14     2  flags, 0
//   16     8  sequence: counts the records of this log
//   24     8  append time, ms; never goes back within a log
//   32     8  group start: the size the segment had when the write this record belongs to began. Everything before it had
//             been synced. It tells a torn tail from damage: see connectors/logs/local/recovery.h.
//   40     4  size of the payload, at most kPayloadMax
//   44     4  header check: the low half of the xxh3 of bytes 8 to 43, so that the size is believed before the payload is read
//   48        payload: chain version; labels {partition, events, base offset, bytes} of the chunks; positions; state
//             changes; dead letters; then the stored chunks one after another. Numbers are varints, texts have a length.
//
// Magic, version and header check keep their places in every later version: an old program can say "too new".
// Functions here are pure; any thread may call them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"

namespace penstock::log_format {

inline constexpr std::size_t kRecordHeaderBytes = 48;
inline constexpr std::uint64_t kPayloadMax = 256ULL << 20;
inline constexpr std::uint8_t kRecordVersion = 1;
// Where a record's magic stands in it, and its first byte: what a search for records looks for.
inline constexpr std::size_t kMagicAt = 8;
inline constexpr char kMagicFirstByte = '\xF5';

struct RecordHeader {
  std::uint64_t checksum = 0;
  std::uint64_t sequence = 0;
  Timestamp appended_at;
  std::uint64_t group_start = 0;
  std::uint32_t payload_bytes = 0;

  std::uint64_t record_bytes() const { return kRecordHeaderBytes + payload_bytes; }
};

// The header at the start of `bytes`. corrupt: not a header; conflict: one of a newer version.
Result<RecordHeader> decode_header(std::string_view bytes);

// Whether header and payload are as they were written. `record` is exactly the record.
Result<void> check_record(const RecordHeader& header, std::string_view record);

// A record whose every byte but the numbers the log gives is ready: made on the caller's thread, so that the log's own
// thread only copies.
struct PreparedRecord {
  struct Label {
    std::uint64_t partition = 0;
    std::uint64_t events = 0;
  };
  std::vector<std::string> chunks;
  std::vector<Label> labels;  // of the chunks
  std::string rest;  // chain version apart, everything that is not a chunk
  std::uint64_t chain_version = 0;
  std::size_t bytes = 0;  // an upper bound of the stored size
};

// invalid: a chunk is not one, or its partition is not among `partitions`; limit: more than kPayloadMax.
Result<PreparedRecord> prepare(LogRecord record, int partitions);

// What only the log knows.
struct Place {
  std::uint64_t sequence = 0;
  Timestamp appended_at;
  std::uint64_t group_start = 0;
};

// Appends the record to `out`, giving its chunks their offsets from `next`, which moves past them.
void append_record(PreparedRecord& record, const Place& place, Offsets& next, std::string& out);

// Moves `next` past the record's events without opening its chunks. corrupt: the record does not continue `next`.
Result<void> skip_record(std::string_view record, Offsets& next);
// How many events it has, wherever it continues.
Result<std::uint64_t> count_events(std::string_view record);

// Opens a record that check_record approved, without its chunks of other shares. `next` moves past it. Chunks are counted in
// `memory`, if given.
Result<std::shared_ptr<const StoredRecord>> decode_record(std::string_view record, Offsets& next, PartitionShare share = {},
                                                          MemoryBudget* memory = nullptr);

// A record that check_record approved as it can be appended once more; its chunks keep the offsets they have until then.
Result<LogRecord> take_apart(std::string_view record);

}  // namespace penstock::log_format
