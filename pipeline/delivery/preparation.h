#pragma once
// What becomes of an event of the log at one destination before it is part of a batch: `when:` says whether it is wanted, then the
// destination's apps change it, split it, drop it, or fail. A condition reads only what it asks for; the body is indexed once for
// all apps. Lives on one strand.
//
// The same event gives the same result, byte for byte, as long as the apps are the same: they have no state here, and app.now()
// is the time at which the event was received. So what a crash, a retry or a replay sends again is what was sent before.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/event/json.h"
#include "pipeline/ports/transform.h"

namespace penstock::delivery {

// A `when:` or `--where`, bound by the caller. Called on the destination's strand.
using When = std::move_only_function<Result<bool>(std::string_view body, const Facts&)>;

// What a destination does to events; either may be empty.
struct Preparing {
  When when;
  std::unique_ptr<Transform> apps;
  // Names of the sources whose bodies are not of the SDKs' shape, so that a field that apps assign there is no fact.
  std::vector<std::string> mapped_sources{};
};

// Reused; valid until the next event is prepared.
struct Prepared {
  enum class Kind : std::uint8_t { goes, filtered, dropped, failed, undecided };
  Kind kind = Kind::goes;
  std::span<const EventView> events;  // goes: one or several
  bool made =
      false;  // they are what apps made of it, in memory that the next event takes; otherwise it is one, the event itself
  std::string app;  // failed: which app; empty: `when:`, or nobody in particular,
  std::string code;
  std::string reason;  // also of undecided, which is a replay's: `where` failed on it
};

class Preparation {
 public:
  explicit Preparation(Preparing parts) : parts_(std::move(parts)) {}

  // An event of the log, which must stay while the result is in use.
  const Prepared& prepare(const EventView& event) {
    if (parts_.when || parts_.apps) return filter_and_run(event);
    prepared_.kind = Prepared::Kind::goes;
    prepared_.events = {&event, 1};
    return prepared_;
  }
  // One that a replay brings again: `where`, perhaps empty, must hold too. One on which `when` fails is not wanted: it was
  // settled when it was live.
  const Prepared& prepare_replayed(const EventView& event, When& where);
  // One that was wanted before: its conditions are not asked again.
  const Prepared& prepare_wanted(const EventView& event);

  bool has_apps() const { return parts_.apps != nullptr; }
  // An app waits for its author, and so must the events.
  bool holding() const { return parts_.apps && parts_.apps->holding(); }
  std::string why_holding() const { return parts_.apps ? parts_.apps->why_holding() : std::string(); }
  // Apps that failed before are tried again: nothing that they make counts before they have done well. So events are run through them
  // for that alone, between these two calls, with the same `prepare…`, and nothing is kept; they come out the same when they are
  // prepared in earnest. At the end the apps are judged, and nothing was counted. Not while `holding`.
  bool on_trial() const { return parts_.apps && !parts_.apps->holding() && parts_.apps->standing() != Standing::good; }
  void begin_rehearsal();
  void end_rehearsal();
  bool rehearsing() const { return rehearsing_; }
  // Between two events: apps that are suspended are tried again now.
  void retry_apps() {
    end_rehearsal();
    if (parts_.apps) parts_.apps->retry();
  }
  // Between two events: shows what the apps counted.
  void publish() {
    if (parts_.apps && !rehearsing_) parts_.apps->publish();
  }

 private:
  const Prepared& filter_and_run(const EventView& event);
  const Prepared& run_apps(const EventView& event);
  const Prepared& settle(Prepared::Kind kind);
  const Prepared& fail_with(std::string app, std::string code, std::string reason);

  Preparing parts_;
  bool rehearsing_ = false;
  json::ObjectIndex index_;
  Transformed transformed_;
  Prepared prepared_;
};

}  // namespace penstock::delivery
