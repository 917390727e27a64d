#pragma once
// A clock that only moves when a test says so.

#include <atomic>

#include "pipeline/base/clock.h"

namespace penstock::fakes {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = Timestamp{1'760'000'000'000}) : wall_ms_(start.ms) {}

  Timestamp now() const override { return Timestamp{wall_ms_}; }
  SteadyTime steady() const override { return SteadyTime(std::chrono::milliseconds(steady_ms_)); }

  void advance(Duration by) {
    wall_ms_ += by.count();
    steady_ms_ += by.count();
  }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> steady_ms_{1'000'000};
};

}  // namespace penstock::fakes
