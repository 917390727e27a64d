#pragma once
// Collects what ingest made and appends it to `events`, one commit record at a time.
//
// At most one commit is in flight: meanwhile the next batch is read and transformed, so neither the disk nor the processor
// waits for the other. A second one could become durable after the first was refused (a full disk), and its positions
// would skip the first's input; so the next append waits for the previous answer.

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ingest/chunk_set.h"
#include "pipeline/ingest/ingest_metrics.h"
#include "pipeline/ingest/state_overlay.h"
#include "pipeline/ports/log.h"

namespace penstock::ingest {

// Told of each commit that became durable, in the order of the log, on the log's thread: derived state listens here.
// `changes` is the record without its chunks.
using CommitListener = std::function<void(std::uint64_t sequence, const LogRecord& changes)>;

struct CommitLimits {
  std::size_t events = 10'000;
  std::size_t bytes = 8 << 20;
  Duration within{100};
  // What no commit may be larger than: below what a chunk and a record of the log can hold (2^20 events, 256 MiB), with room
  // for facts and headers.
  std::size_t record_events = 1'000'000;
  std::size_t record_bytes = 192 << 20;
  std::size_t letter_bytes = 240 << 20;  // the same, when dead letters are all that can be made of what is left
  std::size_t event_bytes = record_bytes;  // of one event, as event_bytes counts: what the log takes
  std::size_t one_letter_bytes = record_bytes;  // of one dead letter, likewise
  Compression compression = Compression::lz4;
};

// Used by one worker thread; the log's thread only reports back.
class Committer {
 public:
  // `state` holds the changes of state until they are appended.
  Committer(Log& log, const Clock& clock, StateOverlay& state, CommitLimits limits, WorkerMetrics metrics,
            CommitListener listener);
  // Waits for what is in flight.
  ~Committer();

  // `attachment` may be null.
  void add(const Facts& facts, std::string_view body, const Attachment* attachment) { chunks_.add(facts, body, attachment); }
  void add(DeadLetter letter);
  // Takes their texts.
  void add(std::vector<StateChange>& changes) { state_.collect(changes); }
  // The newest one per source and input partition wins.
  void move_to(const std::string& source, const std::string& partition, std::string position);
  // Input was consumed, whatever came of it: starts the age of the batch.
  void touch();

  // Nothing was consumed since the last commit.
  bool empty() const { return !opened_; }
  // A limit is reached: commit before reading on.
  bool full() const;
  // About what the batch takes in the log, before compression.
  std::size_t bytes() const { return chunks_.bytes() + dead_bytes_ + state_.bytes(); }
  bool in_flight() const;
  // Nothing is in flight, and no refusal waits to be told by settle().
  bool quiet() const;
  // Whether that much more fits into one record of the log, whatever the limits of a commit say: an app may make a thousand
  // events of one.
  bool has_room(std::size_t events, std::size_t bytes) const;
  // Whether a dead letter fits for which no other commit can be begun.
  bool has_room_at_last(const DeadLetter& letter) const { return bytes() + bytes_of(letter) <= limits_.letter_bytes; }
  // About what it takes in the log.
  static std::size_t bytes_of(const DeadLetter& letter);
  // The largest event that any commit takes, and the largest dead letter.
  std::size_t event_bytes_max() const { return limits_.event_bytes; }
  std::size_t one_letter_bytes_max() const { return limits_.one_letter_bytes; }

  // Appends the batch. Waits for the one in flight first.
  Result<void> commit(std::uint64_t chain_version);
  // Waits for the commit in flight. An error is its refusal: `unavailable` means rewind and try again.
  Result<void> settle();
  // Forgets the batch being collected, and what was changed by the one before it. Nothing may be in flight.
  void discard();
  // How far commits of this process have brought a source, by input partition: newer than what was stored at its start.
  std::map<std::string, std::string> committed(const std::string& source) const;

 private:
  void begin_batch();

  Log& log_;
  const Clock& clock_;
  StateOverlay& state_;
  const CommitLimits limits_;
  const WorkerMetrics metrics_;
  const CommitListener listener_;

  ChunkSet chunks_;
  std::vector<DeadLetter> dead_;
  std::size_t dead_bytes_ = 0;
  std::map<std::pair<std::string, std::string>, std::string> positions_;
  std::optional<SteadyTime> opened_;

  mutable std::mutex mutex_;
  std::condition_variable answered_;
  bool in_flight_ = false;  // guarded by mutex_
  std::optional<Error> refused_;  // guarded by mutex_
  std::map<std::string, std::map<std::string, std::string>> committed_;  // guarded by mutex_
};

}  // namespace penstock::ingest
