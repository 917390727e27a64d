#include "pipeline/delivery/health_log.h"

#include <fmt/format.h>

namespace penstock::delivery {
namespace {

constexpr Duration kBetweenLines{5'000};

double seconds(SteadyTime::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::optional<HealthLog::Line> HealthLog::changed(const Condition& now, SteadyTime at) {
  if (now.health == Health::stopped) return untold_ > 0 ? std::optional(say(at)) : std::nullopt;
  if (now.health == condition_.health) return std::nullopt;
  // That it is well after it was started is nothing to say.
  const bool as_expected = now.health == Health::healthy && condition_.health == Health::starting;
  condition_ = now;
  since_ = at;
  if (as_expected) return std::nullopt;
  ++untold_;
  return due(at);
}

std::optional<HealthLog::Line> HealthLog::due(SteadyTime at) {
  if (untold_ == 0 || (told_at_ && at - *told_at_ < kBetweenLines)) return std::nullopt;
  return say(at);
}

HealthLog::Line HealthLog::say(SteadyTime at) {
  const bool bad = condition_.health == Health::unavailable || condition_.health == Health::limited ||
                   condition_.health == Health::suspended;
  const bool flaps = untold_ > 1;
  Line line{bad || flaps ? LogLevel::warning : LogLevel::info,
            fmt::format("destination {} is {}", destination_, to_string(condition_.health))};
  if (condition_.health == Health::healthy && !flaps)
    line.text += fmt::format(" again after {:.1f} s", seconds(since_ - told_since_));
  if (condition_.health != Health::healthy && !condition_.reason.empty()) line.text += ": " + condition_.reason;
  if (flaps && told_at_)
    line.text += fmt::format("; its health changed {} times in the last {:.0f} s", untold_, seconds(at - *told_at_));
  told_since_ = since_;
  told_at_ = at;
  untold_ = 0;
  return line;
}

}  // namespace penstock::delivery
