#pragma once
// What the program's log says of a destination's health: the first change at once, and then at most one line in five seconds, with
// how often it changed meanwhile. One that flaps must not drown what else is said; metrics count every change.
// Lives on its owner's strand.

#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/health.h"

namespace penstock::delivery {

class HealthLog {
 public:
  struct Line {
    LogLevel level = LogLevel::info;
    std::string text;
  };

  HealthLog(std::string destination, SteadyTime now) : destination_(std::move(destination)), since_(now) {}

  // Whenever its health may be another one than it was. Nullopt: nothing is to be said now. With `stopped`, which nobody needs to
  // be told, what was held back is.
  std::optional<Line> changed(const Condition& now, SteadyTime at);
  // What was held back and is due; to be asked every second or so.
  std::optional<Line> due(SteadyTime at);

 private:
  Line say(SteadyTime at);

  const std::string destination_;
  Condition condition_;
  SteadyTime since_;  // when it became that
  SteadyTime told_since_{};  // when what was told last had begun
  std::optional<SteadyTime> told_at_;
  std::uint64_t untold_ = 0;  // changes
};

}  // namespace penstock::delivery
