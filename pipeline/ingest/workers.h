#pragma once
// All of ingest: N workers that divide the inputs among them. The partition p of `captured` belongs to worker p mod N; a polled
// source is one input, whatever files it has, and the n-th of them belongs to worker n mod N. So each input is read, transformed
// and committed by one thread, in its order, and the rows of app.state that its events touch are touched by no other thread.
//
// Every worker has its own chain, batch and commit in flight; a commit that the log refuses costs the others nothing. They share
// what is thread-safe: the log, stored state, the uuids seen, the gate. Positions are kept per input, so N may be another at
// every start.

#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "pipeline/ingest/worker.h"

namespace penstock::ingest {

// What all inputs together came to since the process started.
struct IngestSums {
  std::uint64_t kept = 0;
  std::uint64_t dropped = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t dead = 0;
};

class Workers {
 public:
  // One chain for each worker, all of one version; no more of them than the log has partitions. `positions` and `state` are
  // asked on all of the workers' threads. `options.share` is of all of them.
  Workers(Log& log, const Clock& clock, const StoredPositions& positions, const CommitListener& listener, StateView& state,
          std::vector<std::unique_ptr<Transform>> chains, std::vector<PolledInput> polled,
          const std::vector<PushedInput>& pushed, DedupSettings dedup, WorkerOptions options, const WorkerMetrics& metrics);
  // As stop.
  ~Workers();

  // Fills the set of seen uuids, or that of the log, and opens every input. Before start(); an error names the source. stopped: asked to by `stop`.
  Result<void> open(const std::stop_token& stop = {});
  // The threads worker-0 to worker-N-1.
  void start();
  // Each worker commits what it has; returns when all threads are over. Once.
  void stop();

  // Between two batches of its own each worker takes its chain. As many as there are workers. One thread at a time.
  void set_chains(std::vector<std::unique_ptr<Transform>> chains);
  // Polled sources are not read any more; `captured` is.
  void drain();

  // All that follows: any thread, at any time.

  std::size_t size() const { return workers_.size(); }
  // For tests, which step it themselves.
  Worker& worker(std::size_t index) { return *workers_[index]; }
  // Of the chains set last, once every worker has taken its own; until then of one that is still to be replaced.
  std::uint64_t chain_version() const;
  IngestSums counts() const;
  // The longest that a slice of work under way has taken so far; zero when none is.
  Duration busy() const;
  // The record of `captured` before which everything is committed and durable.
  std::uint64_t captured_committed() const;
  // What waits to be read: of `captured` what all of them have still to read, and each polled source.
  std::vector<InputLag> lag() const;
  // Every input is at its present end and all of it is committed. More may come.
  bool idle() const;
  // Nothing more will be committed for now: each worker is idle, or its chain wants no events.
  bool resting() const;
  // Idle, and every polled source is finished: without a push nothing will come any more.
  bool caught_up() const;
  // Why a worker has ended by itself.
  std::optional<Error> failure() const;

 private:
  void run(std::size_t index, const std::stop_token& stop);

  Log& log_;
  const Clock& clock_;
  const std::size_t first_;  // of the names of their threads
  SeenUuids seen_;
  UuidsOfLog* const uuids_of_log_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<std::uint64_t> chain_set_;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
  std::vector<std::jthread> threads_;
};

}  // namespace penstock::ingest
