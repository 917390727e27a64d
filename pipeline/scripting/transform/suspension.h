#pragma once
// Takes an app that keeps failing out of the way, and tries it again after a while. One per app of a chain; not thread-safe.
//
//   working ── more than `share` of the last `events` failed ──► suspended ── `retry` passed ──► on trial ── well ──► working
//                                                                    ▲                              │
//                                                                    └────────── fails again ───────┘
// On trial a tenth of the events is enough to judge, but no fewer than an app that works may fail on: one poisonous event at
// the head of what waits is not the app's fault.

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "pipeline/base/clock.h"
#include "pipeline/config/fields.h"
#include "pipeline/ports/transform.h"

namespace penstock::scripting {

// What becomes of events while their app is suspended.
enum class WhileSuspended : std::uint8_t {
  hold,  // what comes stands still, in ingest or at the destination: nothing is lost, nothing passes unchanged
  pass,  // they go on as if the app were not there
  never,  // it is not suspended at all
};

}  // namespace penstock::scripting

template <>
struct penstock::config::enum_names<penstock::scripting::WhileSuspended> {
  using Mode = penstock::scripting::WhileSuspended;
  static constexpr std::array names{std::pair{"hold", Mode::hold}, std::pair{"pass", Mode::pass},
                                    std::pair{"never", Mode::never}};
};

namespace penstock::scripting {

struct SuspensionSettings {
  double share = 0.5;
  int events = 1000;
  WhileSuspended then = WhileSuspended::hold;
  Duration retry{30'000};

  static constexpr auto fields() {
    using config::field;
    using config::range;
    return std::tuple{field("share", &SuspensionSettings::share,
                            "The app is suspended when more than this share of its events fails.", range(0.01, 0.99)),
                      field("events", &SuspensionSettings::events, "How many of its events are looked at, each time anew.",
                            range(10, 1'000'000)),
                      field("then", &SuspensionSettings::then,
                            "Meanwhile: hold (what comes waits, nothing is lost), pass (events go on without the app), or "
                            "never suspend it."),
                      field("retry", &SuspensionSettings::retry,
                            "After this time the app is tried again; one of a destination also by `penstock resume`.",
                            range(Duration{100}, Duration{86'400'000}))};
  }

  friend bool operator==(const SuspensionSettings&, const SuspensionSettings&) = default;
};

class Suspension {
 public:
  enum class Change : std::uint8_t { none, suspended, recovered };

  explicit Suspension(const SuspensionSettings& settings) : settings_(settings) {}

  Change succeeded() {
    if (++seen_ < window()) [[likely]]
      return Change::none;
    return start_window();
  }
  Change failed(SteadyTime now);
  // On trial, before its window is full: by what was seen so far.
  Change judge(SteadyTime now);

  bool suspended() const { return suspended_; }
  bool on_trial() const { return suspended_ || on_trial_; }
  // Suspended, and it is not yet time to try again.
  bool waiting(SteadyTime now) const { return suspended_ && now < retry_at_; }
  bool holds(SteadyTime now) const { return settings_.then == WhileSuspended::hold && waiting(now); }
  bool passes() const { return settings_.then == WhileSuspended::pass && suspended_; }
  // Starts the trial when its time has come.
  void look_at(SteadyTime now);
  void start_trial();
  // What was seen since `before` did not count. A verdict that it led to stays.
  void put_counts_back(const Suspension& before);
  Standing standing() const {
    if (settings_.then != WhileSuspended::hold) return Standing::good;
    return suspended_ ? Standing::out : on_trial_ ? Standing::on_trial : Standing::good;
  }

  // Of the window in which it was suspended last.
  int failures() const { return failures_shown_; }
  int seen() const { return seen_shown_; }

 private:
  static constexpr int kTrialEventsMin = 10;

  int window() const { return on_trial_ ? trial_window() : settings_.events; }
  int trial_window() const {
    return std::max({(settings_.events + 9) / 10, static_cast<int>(2 / settings_.share) + 1, kTrialEventsMin});
  }
  Change start_window();
  Change suspend(SteadyTime now);

  SuspensionSettings settings_;
  int seen_ = 0;
  int failures_ = 0;
  int seen_shown_ = 0;
  int failures_shown_ = 0;
  bool suspended_ = false;
  bool on_trial_ = false;
  SteadyTime retry_at_{};
};

}  // namespace penstock::scripting
