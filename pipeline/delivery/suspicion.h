#pragma once
// Tells an event that a destination cannot take from a destination that is down. Both look the same when a receiver answers
// 500; the difference is what becomes of others. A shipment that fails again and again *while others are delivered* is at
// fault itself; one that fails while nothing is delivered says nothing, however long it lasts. So an outage makes no dead
// letters, and one poisonous event stops nobody.

#include <cstdint>

namespace penstock::delivery {

class Suspicion {
 public:
  // So many failures with deliveries between them are the shipment's own fault.
  static constexpr int kFailures = 3;

  // The destination was not available for this shipment; `delivered` counts events that it has taken from any other so far.
  // True: the shipment's own fault.
  bool failed(std::uint64_t delivered) {
    const bool others_went = failures_ == 0 || delivered > delivered_;
    delivered_ = delivered;
    if (!others_went) return false;
    if (failures_ < kFailures) ++failures_;
    return failures_ == kFailures;
  }

 private:
  int failures_ = 0;
  std::uint64_t delivered_ = 0;  // when it failed last
};

}  // namespace penstock::delivery
