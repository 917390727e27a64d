#pragma once
// Tells an event that a destination cannot take from a destination that is down. Both look the same when a receiver answers
// 500; the difference is what becomes of others. A shipment that fails again and again *while others are delivered* is at
// fault itself; one that fails while nothing is delivered says nothing, however long it lasts. So an outage makes no dead
// letters, and neither one poisonous event nor many stop the others.

#include <cstdint>

namespace penstock::delivery {

class Suspicion {
 public:
  // So many failures with deliveries between them are the shipment's own fault.
  static constexpr int kFailures = 3;

  enum class Fault : std::uint8_t {
    unclear,  // perhaps an outage
    aside,    // the destination takes others; whether it is the shipment's fault will be seen
    own,
  };

  // The destination was not available for this shipment, or for a part of it while it took `together` events of the rest.
  // `delivered` counts events that it has taken so far, without these.
  Fault failed(std::uint64_t delivered, std::uint64_t together = 0) {
    const bool others_went = together > 0 || (failures_ > 0 && delivered > delivered_);
    const bool first = failures_ == 0;
    delivered_ = delivered + together;
    if (!first && !others_went) return Fault::unclear;
    if (failures_ < kFailures) ++failures_;
    return failures_ == kFailures ? Fault::own : others_went ? Fault::aside : Fault::unclear;
  }

 private:
  int failures_ = 0;
  std::uint64_t delivered_ = 0;  // when it failed last
};

}  // namespace penstock::delivery
