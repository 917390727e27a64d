#pragma once
// What can be said about a destination from outside its strand.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "pipeline/delivery/health.h"
#include "pipeline/ports/log.h"

namespace penstock::delivery {

struct DestinationStatus {
  std::string name;
  Condition condition;
  std::uint64_t delivered = 0;  // these five since the process started
  std::uint64_t filtered = 0;
  std::uint64_t dead = 0;
  std::uint64_t retries = 0;
  std::uint64_t skipped = 0;    // removed by retention before they were read
  std::size_t in_flight = 0;    // writes under way
  std::size_t retrying = 0;     // writes that wait for another try
  std::size_t blocked_keys = 0; // distinct ids that a dead letter holds up
  std::uint64_t lag_events = 0;
  Duration lag{0};              // age of the oldest event that is not settled
  std::optional<std::uint64_t>
      replay_left;  // events of the log that a replay has still to look at; none: there is no replay
  std::string replay_stopped;  // why it does not go on; empty: it does
  std::uint64_t replay_undecided = 0;  // events that it did not send, for its `where` failed on them
  std::uint64_t replay_skipped = 0;  // events that retention removed before the replay had read them
  Offsets cursor;
  bool again_outstanding = false;  // dead letters are to be sent again that can be read
};

// Written by the destination's strand, read by anyone.
class StatusBoard {
 public:
  struct Snapshot {
    Condition condition;
    std::size_t in_flight = 0;
    std::size_t retrying = 0;
    std::optional<Timestamp> oldest_unsettled;
    Offsets cursor;
    std::optional<std::uint64_t> replay_left{};
    std::size_t blocked_keys = 0;
    std::string replay_stopped{};
    std::uint64_t replay_undecided = 0;
    std::uint64_t replay_skipped = 0;
    bool again_outstanding = true;
  };

  explicit StatusBoard(Offsets cursor) { now_.cursor = std::move(cursor); }

  void show(Snapshot snapshot) {
    const std::lock_guard lock(mutex_);
    now_ = std::move(snapshot);
  }
  Snapshot snapshot() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  // Counters of the process's life; read one by one.
  std::atomic<std::uint64_t> delivered = 0;
  std::atomic<std::uint64_t> filtered = 0;
  std::atomic<std::uint64_t> dead = 0;
  std::atomic<std::uint64_t> retries = 0;
  std::atomic<std::uint64_t> skipped = 0;

 private:
  mutable std::mutex mutex_;
  Snapshot now_;  // guarded by mutex_
};

// The sum over partitions of what lies between; a partition that is ahead counts nothing.
inline std::uint64_t events_between(const Offsets& from, const Offsets& to) {
  std::uint64_t sum = 0;
  for (std::size_t p = 0; p < to.size(); ++p) {
    const std::uint64_t start = p < from.size() ? from[p] : 0;
    if (to[p] > start) sum += to[p] - start;
  }
  return sum;
}

}  // namespace penstock::delivery
