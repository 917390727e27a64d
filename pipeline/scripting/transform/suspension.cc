#include "pipeline/scripting/transform/suspension.h"

namespace penstock::scripting {

Suspension::Change Suspension::start_window() {
  seen_ = failures_ = 0;
  return std::exchange(on_trial_, false) ? Change::recovered : Change::none;
}

Suspension::Change Suspension::failed(SteadyTime now) {
  ++seen_;
  ++failures_;
  if (settings_.then == WhileSuspended::never || suspended_) return Change::none;
  if (failures_ <= settings_.share * window()) return seen_ < window() ? Change::none : start_window();
  return suspend(now);
}

Suspension::Change Suspension::judge(SteadyTime now) {
  if (!on_trial_ || seen_ == 0) return Change::none;
  if (failures_ > settings_.share * seen_) return suspend(now);
  return seen_ < kTrialEventsMin ? Change::none : start_window();
}

Suspension::Change Suspension::suspend(SteadyTime now) {
  seen_shown_ = seen_;
  failures_shown_ = failures_;
  seen_ = failures_ = 0;
  on_trial_ = false;
  suspended_ = true;
  retry_at_ = now + settings_.retry;
  return Change::suspended;
}

void Suspension::look_at(SteadyTime now) {
  if (suspended_ && now >= retry_at_) start_trial();
}

void Suspension::start_trial() {
  suspended_ = false;
  on_trial_ = true;
  seen_ = failures_ = 0;
}

void Suspension::put_counts_back(const Suspension& before) {
  if (suspended_ != before.suspended_ || on_trial_ != before.on_trial_) return;
  seen_ = before.seen_;
  failures_ = before.failures_;
}

}  // namespace penstock::scripting
