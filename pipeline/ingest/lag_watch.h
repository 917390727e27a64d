#pragma once
// How far ingest is behind its inputs: what waits because an app is held or the chain is slow.
//
// Inputs are the log `captured`, which all pushed sources share, and each polled source. The worker's thread tells what it
// took; anyone may ask.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports/log.h"
#include "pipeline/ports/source.h"

namespace penstock::ingest {

struct InputLag {
  std::string input;                    // "captured", or the polled source
  std::optional<std::uint64_t> events;  // of `captured`
  std::optional<std::uint64_t> bytes;   // of a polled source; neither when it cannot tell
  Duration age{0};                      // what waits has waited no longer than this; 0 when nothing waits
};

class LagWatch {
 public:
  // Of `captured` only the partitions of the share count.
  LagWatch(Log& log, const Clock& clock, std::vector<std::string> polled, PartitionShare share = {});

  // Ingest reads `captured` from this record on.
  Result<void> open(std::uint64_t sequence);
  void took(const StoredRecord& record);
  void captured_at_end();
  // After a poll of the n-th polled source.
  void polled(std::size_t n, bool at_end);
  // About once a second true: then the polled sources are to be asked what they have.
  bool due();
  void show(std::size_t n, std::optional<std::uint64_t> unread_bytes);

  // Thread-safe.
  std::vector<InputLag> lag() const;

 private:
  struct Polled {
    std::string name;
    std::optional<std::uint64_t> unread;
    SteadyTime at_end;
  };

  Log& log_;
  const Clock& clock_;
  const PartitionShare share_;
  SteadyTime next_look_{};

  mutable std::mutex mutex_;
  Offsets next_;                      // guarded by mutex_; of `captured`
  Timestamp taken_;                   // guarded by mutex_; when what was taken last, or comes first, was captured
  std::optional<SteadyTime> at_end_;  // guarded by mutex_; when all of `captured` had been taken, last
  std::vector<Polled> polled_;        // guarded by mutex_
};

}  // namespace penstock::ingest
