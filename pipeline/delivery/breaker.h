#pragma once
// Whether a destination may be written to. An outage holds everything: after a pause, and once nothing is in flight any more,
// the destination is connected again and one write goes ahead; its answer decides. A state machine without a clock of its own
// and without side effects; lives on one strand.
//
//   disconnected ──► connecting ──► flowing ──► holding ──► connecting ──► probing ──► flowing
//                        └──────────────────────►┘ ▲                          │
//                                                   └──────────────────────────┘

#include <cstdint>
#include <optional>

#include "pipeline/base/result.h"
#include "pipeline/delivery/backoff.h"
#include "pipeline/delivery/health.h"
#include "pipeline/ports/destination.h"

namespace penstock::delivery {

// The most that a peer's Retry-After is believed: a mistaken header must not silence a destination for a week.
inline constexpr Duration kRetryAfterMax{3'600'000};

class Breaker {
 public:
  explicit Breaker(Backoff backoff) : backoff_(backoff) {}

  // Whether a write may go now.
  bool lets_through(std::size_t in_flight) const {
    return state_ == State::flowing || (state_ == State::probing && in_flight == 0);
  }
  // Whether connect() is to be called now; the caller then says `connecting`.
  bool wants_connect(SteadyTime now, std::size_t in_flight) const {
    return state_ == State::disconnected || (state_ == State::holding && in_flight == 0 && now >= until_);
  }

  void connecting() { state_ = State::connecting; }
  // `something_waits`: there is a write to probe with; without one the connection itself is the proof.
  void connected(bool something_waits);
  void connect_failed(const Error& error, SteadyTime now);

  // A write found the destination unavailable. Those that were in flight with the first one do not count again.
  void unavailable(const Outcome& outcome, SteadyTime now);
  // A write was answered in any other way: the destination is there.
  void answered();

  // Somebody knows better than the back-off, or the peer's Retry-After: it is tried again now.
  void try_now(SteadyTime now) {
    if (state_ != State::holding) return;
    until_ = now;
    asked_ = false;
  }

  SteadyTime until() const { return until_; }  // while holding
  bool holding() const { return state_ == State::holding; }
  bool flowing() const { return state_ == State::flowing; }
  // While it holds because the peer said for how long.
  std::optional<SteadyTime> asked_until() const { return holding() && asked_ ? std::optional(until_) : std::nullopt; }
  // The write that goes next decides whether the outage is over. Every other time it should not be the one that has waited
  // longest: perhaps that one is all that is wrong.
  bool probing() const { return state_ == State::probing; }
  bool probes_another() const { return probing() && probes_ % 2 == 0; }
  const Condition& condition() const { return condition_; }

 private:
  enum class State : std::uint8_t { disconnected, connecting, flowing, holding, probing };

  void hold(SteadyTime until);

  Backoff backoff_;
  State state_ = State::disconnected;
  int failures_ = 0;  // in a row
  unsigned probes_ = 0;
  SteadyTime until_{};
  bool asked_ = false;  // it is the peer's word
  Condition condition_;
};

}  // namespace penstock::delivery
