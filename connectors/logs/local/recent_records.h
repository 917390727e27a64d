#pragma once
// The newest records, decoded: ten readers at the tail decode each record once. Thread-safe.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "pipeline/base/bytes.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::local {

class RecentRecords {
 public:
  explicit RecentRecords(Bytes bytes_max) : bytes_max_(bytes_max) {}

  struct Entry {
    std::shared_ptr<const StoredRecord> record;
    std::uint64_t stored_bytes = 0;  // in the segment: how far a reader moves
  };

  // Empty when it is not here.
  Entry find(std::uint64_t sequence);
  // Only what comes after the newest one is kept: a laggard must not push out what the others share.
  void add(Entry entry);

 private:
  struct Kept {
    Entry entry;
    std::size_t memory = 0;
  };

  const Bytes bytes_max_;
  std::mutex mutex_;
  std::deque<Kept> kept_;   // guarded by mutex_; consecutive sequences
  std::size_t memory_ = 0;  // guarded by mutex_; sum over kept_
};

}  // namespace penstock::logs::local
