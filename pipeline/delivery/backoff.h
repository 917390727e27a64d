#pragma once
// How long to wait after the n-th failure in a row: a random part ("full jitter") of a pause that doubles from `wait_min` to
// `wait_max`, so that many who failed together do not come back together. Seeded, so that a test knows what comes.

#include <algorithm>
#include <cstdint>
#include <random>

#include "pipeline/base/clock.h"

namespace penstock::delivery {

class Backoff {
 public:
  Backoff(Duration wait_min, Duration wait_max, std::uint64_t seed) : min_(wait_min), max_(wait_max), random_(seed) {}

  // `failures` from 1. At least a millisecond, so that nothing ever spins.
  Duration after(int failures) {
    const int doublings = std::clamp(failures - 1, 0, 30);
    const auto longest = std::min(max_.count(), min_.count() << doublings);
    return Duration{std::uniform_int_distribution<Duration::rep>(1, std::max<Duration::rep>(1, longest))(random_)};
  }

 private:
  Duration min_;
  Duration max_;
  std::mt19937_64 random_;
};

}  // namespace penstock::delivery
