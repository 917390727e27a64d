#pragma once
// One thread of ingest: reads its inputs (its share of the log `captured`, and polled sources), runs the chain, commits. It never
// waits for a destination or for another worker. What it has not committed it reads again after a crash, a full disk or a
// restart.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/event/fact_map.h"
#include "pipeline/ingest/captured_position.h"
#include "pipeline/ingest/committer.h"
#include "pipeline/ingest/gate.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/lag_watch.h"
#include "pipeline/ingest/remember_uuids.h"
#include "pipeline/ingest/state_overlay.h"
#include "pipeline/ingest/transformer.h"
#include "pipeline/ports/log.h"
#include "pipeline/ports/source.h"
#include "pipeline/ports/transform.h"

namespace penstock::ingest {

// The positions of one source, by input partition, that were stored when the process started. `captured` asks under kCapturedSource.
using StoredPositions = std::function<Result<std::vector<SourcePosition>>(const std::string& source)>;

struct PolledInput {
  SourceIdentity identity;
  std::unique_ptr<PolledSource> source;
  SourceMetrics metrics;
};

// A pushed source as ingest meets it: its events come out of `captured` under its name.
struct PushedInput {
  SourceIdentity identity;
  SourceMetrics metrics;
};

struct WorkerOptions {
  CommitLimits commit;
  PartitionShare share{};  // of the partitions of `captured`
  UuidsOfLog* uuids_of_log = nullptr;  // what others committed is seen in it; null: this process commits alone
  Gate* gate = nullptr;  // while it is closed polled sources are not read; while it is shut nothing is
  std::size_t poll_bytes = 256 << 10;  // of one polled source, before the next has its turn
  std::size_t trial_bytes = 4 << 10;  // the same, while the chain is on trial, or makes too much of it for one commit
  Duration again_after{1000};  // until what the log or a source refused is read again
};

class Worker {
 public:
  // An input of which the log, or its source, says `unavailable` is read again, `again_after`.
  // `state` is what commits have left behind, asked on the worker's thread: a durable commit is in it once the listener has
  // returned. While it cannot tell (unavailable), what was read is read again, likewise.
  // `seen` is shared by all workers.
  Worker(Log& log, const Clock& clock, StoredPositions positions, CommitListener listener, StateView& state, SeenUuids& seen,
         std::unique_ptr<Transform> chain, std::vector<PolledInput> polled, std::vector<PushedInput> pushed,
         WorkerOptions options, WorkerMetrics metrics);
  ~Worker();

  // Opens every input where the log says it stands. Before run(); an error names the source.
  Result<void> open();

  // One slice of work; true when something was read or committed. Tests call it directly; run() loops over it.
  Result<bool> step();

  // Until stop is requested or an error; commits what it has before it returns. On its own thread.
  Result<void> run(std::stop_token stop);

  // The next batch takes this chain; the one being collected commits under the old one. Thread-safe.
  void set_chain(std::unique_ptr<Transform> chain);
  std::uint64_t chain_version() const { return chain_version_; }
  const IngestCounts& counts() const { return transformer_.counts(); }

  // Polled sources are not read any more; `captured` is. Thread-safe.
  void drain() { draining_ = true; }
  // How long the slice of work under way has taken so far; zero between two. Long means that an app or the disk is stuck.
  // Thread-safe.
  Duration busy() const;
  // What waits to be read. Thread-safe.
  std::vector<InputLag> lag() const { return lag_.lag(); }
  // What is left to read is not to be read for now: the chain wants no events, or the gate is closed. Thread-safe.
  bool holding() const { return holding_; }
  // The record of `captured` before which all of its share is committed and durable. Thread-safe.
  std::uint64_t captured_committed() const { return captured_durable_; }
  // Every input is at its present end and all of it is committed. More may come. Thread-safe.
  bool idle() const { return idle_ && captured_read_ >= log_.next_sequence(LogName::captured); }
  // Idle, and every polled source is finished: without a push nothing will come any more. Thread-safe.
  bool caught_up() const { return finished_ && idle(); }

 private:
  struct Polled;
  Result<bool> read_inputs();
  Result<bool> read_captured(Timestamp now);
  Result<bool> read_polled(Polled& polled, Timestamp now);
  void look_at_lag();
  void tell_of_dead_letters();
  Result<bool> take_record(const StoredRecord& record, Timestamp now);
  bool is_to_be_read(int partition, std::uint64_t sequence) const;
  std::uint64_t captured_position() const;
  Result<void> commit();
  using Marks = std::vector<const DeadLetter*>;
  static Marks marks_of(const StoredRecord& record, int partition);
  Result<void> take_chunk(const Chunk& chunk, const Marks& marks, Timestamp now);
  Result<bool> commit_if_due(bool progressed);
  Result<bool> read_again(Error reason);
  Result<bool> go_carefully();
  bool sources_wait() const;
  bool takes_more() const;
  bool trial_failed() const { return trial_ && chain_->standing() == Standing::out; }
  bool trial_goes_on(bool progressed);
  Result<bool> give_up_trial();
  Result<void> finish();
  Result<void> rewind(Duration wait);
  Result<void> reopen();
  void note_appended();
  void note_durable();
  void swap_chain_between_batches();
  void wait_for_input(std::stop_token stop);
  Result<std::vector<SourcePosition>> position_of(const std::string& source) const;

  Log& log_;
  const Clock& clock_;
  const StoredPositions positions_;
  const WorkerOptions options_;
  const WorkerMetrics metrics_;

  std::unique_ptr<Transform> chain_;
  StateOverlay state_;
  Committer committer_;
  UuidClaims claims_;
  Transformer transformer_;
  std::vector<std::unique_ptr<Polled>> polled_;
  std::map<std::string, PushedInput, std::less<>> pushed_;
  std::unique_ptr<LogReader> captured_;
  // By partition, of its share: the sequence from which its events are still to be read.
  std::vector<std::uint64_t> captured_next_;
  bool closed_ = false;  // the inputs are, until the log answers again
  bool captured_moved_ = false;  // since the last commit
  std::optional<SteadyTime> passed_at_;  // since when records of others wait to be committed as passed
  bool captured_at_end_ = false;
  LagWatch lag_;
  std::uint64_t captured_appended_ = 0;  // where `captured` stands by the commit in flight
  bool trial_ = false;  // what the batch in hand becomes is decided by how an app does that failed before
  int careful_ = 0;  // commits to come that hold only one unit of reading

  std::atomic<bool> draining_ = false;
  std::atomic<SteadyTime> step_began_{};  // zero between two
  std::atomic<bool> holding_ = false;
  std::atomic<bool> idle_ = false;
  std::atomic<bool> finished_ = false;  // every polled source is
  std::atomic<std::uint64_t> captured_read_ = 0;  // the sequence up to which `captured` was committed when last idle
  std::atomic<std::uint64_t> captured_durable_ = 0;
  std::atomic<std::uint64_t> chain_version_ = 0;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::unique_ptr<Transform> next_chain_;  // guarded by mutex_
};

}  // namespace penstock::ingest
