#pragma once
// How fast a destination may be written to: tokens come in at a rate, a write takes as many as it has events and bytes. A write
// may go as soon as nothing is owed, and may take more than there is: what comes after it waits for the debt, so a batch larger
// than the rate still goes, and the average is kept. At most a second's worth is saved up. A value without a clock of its own.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "pipeline/base/clock.h"

namespace penstock::delivery {

class TokenBucket {
 public:
  // A rate of zero is no limit.
  explicit TokenBucket(std::uint64_t per_second = 0) : rate_(static_cast<double>(per_second)), tokens_(rate_) {}

  bool limits() const { return rate_ > 0; }

  // From when on a write may go.
  SteadyTime ready_at(SteadyTime now) {
    fill(now);
    if (!limits() || tokens_ >= 0) return now;
    const std::chrono::duration<double> wait(-tokens_ / rate_);
    return now + std::chrono::ceil<SteadyTime::duration>(wait);
  }

  void take(std::uint64_t amount, SteadyTime now) {
    if (!limits()) return;
    fill(now);
    tokens_ -= static_cast<double>(amount);
  }

 private:
  void fill(SteadyTime now) {
    if (filled_at_ != SteadyTime{} && now > filled_at_)
      tokens_ = std::min(rate_, tokens_ + rate_ * std::chrono::duration<double>(now - filled_at_).count());
    filled_at_ = std::max(filled_at_, now);
  }

  double rate_;
  double tokens_;  // below zero: owed
  SteadyTime filled_at_{};
};

}  // namespace penstock::delivery
