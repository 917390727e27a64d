#include "pipeline/delivery/breaker.h"

#include <algorithm>

namespace penstock::delivery {

void Breaker::connected(bool something_waits) {
  if (failures_ > 0 && something_waits) {
    state_ = State::probing;
    ++probes_;
    return;
  }
  state_ = State::flowing;
  failures_ = 0;
  condition_ = {Health::healthy, {}};
}

void Breaker::connect_failed(const Error& error, SteadyTime now) {
  hold(now + backoff_.after(++failures_));
  condition_ = {Health::unavailable, error.message};
}

void Breaker::unavailable(const Outcome& outcome, SteadyTime now) {
  const bool opens = state_ == State::flowing || state_ == State::probing;
  const auto asked = outcome.retry_after ? std::clamp(*outcome.retry_after, Duration{0}, kRetryAfterMax) : Duration{0};
  if (opens) {
    const auto pause = backoff_.after(++failures_);
    hold(now + (outcome.retry_after ? std::max(asked, Duration{1}) : pause));
    asked_ = outcome.retry_after.has_value();
  } else if (outcome.retry_after && now + asked > until_) {
    until_ = now + asked;
    asked_ = true;
  }
  condition_ = {outcome.limited ? Health::limited : Health::unavailable, outcome.reason};
}

void Breaker::answered() {
  if (state_ != State::probing) return;
  state_ = State::flowing;
  failures_ = 0;
  condition_ = {Health::healthy, {}};
}

void Breaker::hold(SteadyTime until) {
  state_ = State::holding;
  until_ = until;
  asked_ = false;
}

}  // namespace penstock::delivery
