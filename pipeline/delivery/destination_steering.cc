// What holds a destination back besides itself: a pause, a suspension, a rate, and what is set aside.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"
#include "pipeline/delivery/key_lanes.h"

namespace penstock::delivery {
namespace {

constexpr Duration kBeyondPauseMin{500};
constexpr Duration kBeyondPauseMax{2'000};
constexpr int kBeyondEvents = 16;

std::string to_text(const RateSettings& rate) {
  std::string text;
  if (rate.events > 0) text = fmt::format("{} events/s", rate.events);
  if (rate.bytes.count > 0) text += fmt::format("{}{}/s", text.empty() ? "" : ", ", to_string(rate.bytes));
  return text;
}

}  // namespace

void DestinationLoop::pause(std::string note) {
  home_.post([this, note = std::move(note)]() mutable {
    paused_ = std::move(note);
    pump();
  });
}

void DestinationLoop::resume() {
  home_.post([this] {
    paused_.reset();
    breaker_.try_now(around_.clock.steady());
    suspended_until_.reset();
    rejections_.forget();
    preparation_.retry_apps();
    pump();
  });
}

void DestinationLoop::set_rate(std::optional<RateSettings> rate) {
  home_.post([this, rate] {
    take_rate(rate.value_or(settings_.rate));
    pump();
  });
}

// A batch of more than a second's worth would go out in bursts.
void DestinationLoop::take_rate(const RateSettings& rate) {
  rate_ = rate;
  event_tokens_ = TokenBucket(static_cast<std::uint64_t>(rate.events));
  byte_tokens_ = TokenBucket(rate.bytes.count);
  tokens_at_.reset();
  batch_limits_ = settings_.batch;
  if (rate.events > 0) batch_limits_.events = std::min(batch_limits_.events, rate.events);
  if (rate.bytes.count > 0) batch_limits_.bytes = std::min(batch_limits_.bytes, rate.bytes);
  draft_limits_ = batch_limits_;
  if (settings_.order == Order::none) return;
  const std::size_t groups = key_groups(settings_);
  draft_limits_.events *= static_cast<int>(groups);
  draft_limits_.bytes.count *= groups;
}

bool DestinationLoop::rate_allows(SteadyTime now) {
  const SteadyTime when = std::max(event_tokens_.ready_at(now), byte_tokens_.ready_at(now));
  if (when <= now) {
    tokens_at_.reset();
    return true;
  }
  tokens_at_ = when;
  return false;
}

// One that is over is a new beginning: the next rejections are counted from nothing.
void DestinationLoop::end_suspension() {
  if (!suspended_until_ || around_.clock.steady() < *suspended_until_) return;
  suspended_until_.reset();
  rejections_.forget();
}

void DestinationLoop::weigh_rejections(std::size_t delivered, std::size_t died, SteadyTime now) {
  rejections_.count(delivered, died, now);
  if (died == 0 || suspended_until_ || !rejections_.too_many()) return;
  suspended_until_ = now + settings_.suspend.retry;
  suspended_for_ = fmt::format("{} of the last {} events were rejected; the last one: {}", rejections_.died(),
                               rejections_.seen(), last_death_);
}

std::optional<Condition> DestinationLoop::held_back() const {
  if (paused_) return Condition{Health::paused, *paused_};
  if (suspended_until_) return Condition{Health::suspended, suspended_for_};
  if (preparation_.holding()) return Condition{Health::suspended, preparation_.why_holding()};
  if (preparation_.rehearsing())
    return Condition{Health::suspended, "its apps are tried again with what waits: " + preparation_.why_holding()};
  if (tokens_at_ && breaker_.condition().health == Health::healthy) return Condition{Health::limited, to_text(rate_)};
  return std::nullopt;
}

// Also when nothing comes: what was counted last is shown, and an app that held is tried again when its time has come.
void DestinationLoop::tend_apps() {
  if (!preparation_.has_apps()) return;
  preparation_.publish();
  pump();
}

bool DestinationLoop::may_send(SteadyTime now) {
  return !paused_ && !suspended_until_ && window_.in_flight() < static_cast<std::size_t>(settings_.in_flight_max) &&
         breaker_.lets_through(window_.in_flight()) && rate_allows(now);
}

bool DestinationLoop::aside_is_full() const {
  // Letters that are sent again are few at a time.
  const auto live = window_.aside(Traffic::live);
  const auto replayed = window_.aside(Traffic::replay);
  return live.events + replayed.events >= kAsideEventsMax || live.bytes + replayed.bytes >= aside_bytes_max();
}

// What proves the guilty is that others are delivered: so some are read even so, ever more slowly.
bool DestinationLoop::aside_has_room() const { return !aside_is_full() || pumped_at_ >= beyond_at_; }

BatchSettings DestinationLoop::limits_of_draft() const {
  BatchSettings limits = draft_limits_;
  if (aside_is_full()) limits.events = std::min(limits.events, kBeyondEvents);
  return limits;
}

void DestinationLoop::tend_beyond() {
  if (!aside_is_full()) {
    beyond_ = 0;
    return;
  }
  beyond_at_ = around_.clock.steady() + std::min(kBeyondPauseMax, kBeyondPauseMin * (1 << std::min(beyond_++, 10)));
}

}  // namespace penstock::delivery
