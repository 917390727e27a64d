#pragma once
// How many shipments there are in each key lane, and in which there are any.

#include <array>
#include <cstdint>

#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

class LaneCounts {
 public:
  void add(const KeyLanes& lanes) {
    each(lanes, [this](std::size_t lane) {
      if (counts_[lane]++ == 0) any_.set(lane);
    });
  }
  void remove(const KeyLanes& lanes) {
    each(lanes, [this](std::size_t lane) {
      if (--counts_[lane] == 0) any_.reset(lane);
    });
  }
  const KeyLanes& any() const { return any_; }

 private:
  template <class Visit>
  static void each(const KeyLanes& lanes, Visit visit) {
    for (std::size_t lane = lanes._Find_first(); lane < lanes.size(); lane = lanes._Find_next(lane)) visit(lane);
  }

  std::array<std::uint32_t, 1U << kKeyLaneBits> counts_{};
  KeyLanes any_;
};

}  // namespace penstock::delivery
