#pragma once
// What stands in the topic of events and is none: somebody else writes to it. It is passed over, counted, and told now and then.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "pipeline/telemetry/metrics.h"

namespace penstock::logs::kafka {

// Thread-safe.
class ForeignMessages {
 public:
  ForeignMessages(int partitions, telemetry::Metrics* metrics);

  // Each counts once, however many readers meet it; one that is read again from further back does not. True: it was told.
  bool note(std::size_t partition, std::uint64_t offset, std::string_view why);

 private:
  const telemetry::Counter total_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::uint64_t> seen_;  // by partition: the offset after the last that was counted
  std::uint64_t untold_ = 0;
  std::chrono::steady_clock::time_point told_at_;
};

}  // namespace penstock::logs::kafka
