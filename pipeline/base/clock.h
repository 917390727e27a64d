#pragma once
// Time, injected. Everything that waits, stamps or expires asks a Clock, so tests advance it by hand.
// Thread-safe: any thread may ask at any time.

#include <chrono>
#include <cstdint>

namespace penstock {

// Milliseconds since 1970-01-01T00:00:00Z: the resolution of every stored time.
struct Timestamp {
  std::int64_t ms = 0;
  friend constexpr auto operator<=>(Timestamp, Timestamp) = default;
};

using Duration = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;        // wall clock; may jump
  virtual SteadyTime steady() const = 0;    // for deadlines and durations; never goes back
};

// The machine's own clocks. Lives for the whole process.
const Clock& system_clock();

}  // namespace penstock
