#pragma once
// The spine. A pipeline has two logs: `captured` (what pushed sources accepted, before ingest) and `events` (what ingest
// committed, read by every destination). Both are partitioned; offsets are per partition and grow from event to event. They may
// pass over some (Kafka counts its own marks too), so what lies between two of them is about how many events lie there.
//
// A log is read in one of two orders. By offset (`read`): every event, in the order of its partition. By record (`read_from_sequence`,
// `read_share`): what each append changed besides. A log that keeps the two apart leaves out of one what belongs to the other;
// `captured` alone always has both. Implementations live in connectors/logs/; all pass tests/conformance/log_conformance.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/attachment.h"
#include "pipeline/event/chunk.h"
#include "pipeline/event/dead_letter.h"
#include "pipeline/ports/state_view.h"

namespace penstock {

enum class LogName : std::uint8_t { captured, events };
std::string_view to_string(LogName name);

// For each partition the offset of the next event to read, or one before it that no event has. Index = partition.
using Offsets = std::vector<std::uint64_t>;

// One of `of` shares of the partitions: every `of`-th, beginning with `index`.
struct PartitionShare {
  int index = 0;
  int of = 1;

  bool has(int partition) const { return partition % of == index; }
};

// How far a source was read, in the source's own encoding. One per input partition ("orders", "8:1234:9f…").
struct SourcePosition {
  std::string source;
  std::string partition;
  std::string position;

  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

// What is appended in one piece: all of it becomes durable and visible, or none. In `events` it is ingest's commit; in
// `captured` it is one accepted request (chunks, and dead letters for the elements that were refused).
struct LogRecord {
  std::vector<std::string> chunks;  // stored form, by ChunkBuilder; base offsets are set by the log
  std::vector<DeadLetter> dead;
  std::vector<StateChange> state;
  std::vector<SourcePosition> positions;
  std::uint64_t chain_version = 0;
  int shard = 0;  // of `events`, where several processes share the log: which share of the input it is about
  std::vector<Attachments> attachments{};  // of each chunk; fewer: the others have none. For a log that keeps them
  // In place of `chunks`, for a log that takes them open; their own base offsets mean nothing.
  std::vector<std::shared_ptr<const Chunk>> open_chunks{};
};

// A record as read back. By offset it may be a part of one, or several, without sequence and changes; by record it may be
// without chunks.
struct StoredRecord {
  std::uint64_t sequence = 0;  // counts records of this log, from 0
  std::uint64_t gone_before =
      0;  // how many records just before it are not given: later ones have replaced all that they changed
  Timestamp appended_at;
  std::vector<std::shared_ptr<const Chunk>> chunks;
  std::vector<DeadLetter> dead;
  std::vector<StateChange> state;
  std::vector<SourcePosition> positions;
  std::uint64_t chain_version = 0;
  Offsets next;  // after this record, where it has its chunks
};

struct Appended {
  std::uint64_t sequence = 0;
  Offsets next;  // of all partitions, after this record
};

// What may be removed from the old end of a log: a stretch goes when all of it is older than `older_than`, or while the log is
// larger than `bytes_max`; but never a record from `before_sequence` on, nor an event at or after `keep_from`.
struct TrimLimits {
  Timestamp older_than;  // by append time; 0: nothing is too old
  std::uint64_t bytes_max = ~std::uint64_t{0};
  std::uint64_t before_sequence = 0;
  Offsets keep_from;  // of each partition; empty: only the sequence counts
};

struct Trimmed {
  std::uint64_t bytes = 0;
  std::uint64_t events = 0;
  bool kept_by_sequence = false;  // more was unwanted, and nothing but `before_sequence` kept it
};

// Called once, from the log's own thread, in the order of the sequence; must not block.
using AppendDone = std::move_only_function<void(Result<Appended>)>;

// Reads one log from a position on, only what is durable. One thread at a time.
class LogReader {
 public:
  virtual ~LogReader() = default;
  // The next record; null when the end is reached for now. corrupt: stored bytes are damaged, and the message says which
  // file and what to do.
  virtual Result<std::shared_ptr<const StoredRecord>> next() = 0;
  // Waits until there may be a record after what was read, or the deadline. Spurious wake-ups happen.
  virtual void wait(std::chrono::steady_clock::time_point deadline) = 0;
};

class Log {
 public:
  virtual ~Log() = default;

  virtual int partitions() const = 0;  // the same for both logs; fixed when the data folder was made

  // Whether it writes what events of `events` have attached, and tombstones: events without a body, which no reader is given.
  virtual bool keeps_attachments() const { return false; }

  // Whether it writes `events` one by one, and takes the chunks of a record open: to store them would be for nothing.
  virtual bool takes_open_chunks() const { return false; }

  // Queues the record and returns at once. Thread-safe. Concurrent appends share one sync. After a failed sync every later
  // append fails too, and `failure` says why: the process must stop.
  virtual void append(LogName log, LogRecord record, AppendDone done) = 0;

  // From `start` (one offset per partition; missing ones are 0), by offset. Events before `start` may come again when they share
  // a record with later ones: the caller compares offsets. A record may have no events, and `next` beyond: there were none. not_found:
  // retention has already removed it.
  virtual Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) = 0;
  // From a record on; the order of `events` as derived state sees it. Of `events` the chunks may be left out.
  virtual Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) = 0;
  // The same for one of several readers that divide the partitions: every record comes to each of them, without the chunks
  // of other shares, which cost it no unpacking.
  virtual Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) = 0;

  // Of each partition the first event that was appended at `time` or later; the end where there is none.
  virtual Result<Offsets> offsets_at(LogName log, Timestamp time) = 0;

  // Removes what the limits allow, in whole stretches of the implementation's own size, oldest first; the newest stretch
  // stays. A reader that stands in what was removed gets not_found. Thread-safe. Error: nothing more could be removed now.
  virtual Result<Trimmed> trim(LogName log, const TrimLimits& limits) = 0;

  virtual Offsets begin(LogName log) const = 0;  // the oldest that is kept
  virtual Offsets end(LogName log) const = 0;  // after the newest durable one
  virtual std::uint64_t next_sequence(LogName log) const = 0;  // after the newest durable record
  virtual std::uint64_t bytes(LogName log) const = 0;  // on disk; 0 where the log does not know

  // Bytes queued and not yet durable: what intake looks at before it accepts more.
  virtual std::size_t pending_bytes() const = 0;

  // Set once something made the log unable to promise durability.
  virtual std::optional<Error> failure() const = 0;

  // Why the newest append was refused for now, for want of room, say, or is long under way; nullopt once one is taken again.
  virtual std::optional<Error> refusal() const { return std::nullopt; }

  // Waits for what is queued, then refuses further appends.
  virtual void close() = 0;
};

}  // namespace penstock
