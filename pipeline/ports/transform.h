#pragma once
// What is made of an event: by ingest between validation and the log, and again by a destination that has apps of its own. The
// real one is a chain of Lua apps (pipeline/scripting/transform); tests of the stages use a plain function.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/event/facts.h"
#include "pipeline/event/json.h"
#include "pipeline/ports/state_view.h"

namespace penstock {

// What became of one event. Reused; the views are valid until the next run.
struct Transformed {
  enum class Kind : std::uint8_t { kept, dropped, failed };
  Kind kind = Kind::kept;
  std::vector<EventView> events;  // kept: one, or several when an app split it
  std::vector<StateChange> state;  // what else is to be committed with it; kept and dropped. Each row once

  std::string app;  // failed: which app,
  std::string code;  // "app_error", "app_limit", …,
  std::string reason;  // and why, with file and line
  std::string traceback;  // where in the app, one frame a line; empty when nobody knows
};

// How sure it is of itself, of those parts for which ingest waits when they fail: the worst of them counts.
enum class Standing : std::uint8_t {
  good,
  on_trial,  // one that failed is tried again: what is made now counts only if it does well, so it is not committed before
  out,  // one has failed too often: what it would make of events is not what it is there for
};

// One per worker, one per destination. Not thread-safe.
class Transform {
 public:
  virtual ~Transform() = default;
  // What follows, up to the next call, sees `now` as its time and reads `state`, which lasts as long; null: there is none
  // here, and apps that ask for it fail. Changes are in Transformed: the view shows them once they are collected.
  virtual void begin_batch(Timestamp now, StateView* state) = 0;
  // The batch goes on, and what follows sees another time: for events that are each tried at their own.
  virtual void set_time(Timestamp /*now*/) {}
  // `canonical`: the body has the SDK shape, so assigning `event.distinct_id` changes the fact with it.
  virtual void run(const json::ObjectIndex& body, const Facts& facts, bool canonical, Transformed& out) = 0;
  // True while nothing should be given to it: what it would make of events now is not what it is there for.
  virtual bool holding() const { return false; }
  // Who holds and why, in one line; while `holding`, and afterwards until it stands well again.
  virtual std::string why_holding() const { return {}; }
  // Whatever was taken out of the way because it fails is tried again now, not when its time comes. Between two runs.
  virtual void retry() {}
  // Shows what it has counted to whoever watches. Between two runs; for once a batch or a slice of work, not for every event.
  virtual void publish() {}
  // It is not sure of itself: to be given little at a time, so that `holding` comes before much was spoilt.
  virtual bool on_trial() const { return false; }
  virtual Standing standing() const { return Standing::good; }
  // No more input for now: whatever is on trial is judged by what it has seen.
  virtual void judge() {}
  // What ran since begin_batch, which found it on trial, comes again or is kept by nobody: nothing of it counts, but for a
  // verdict that it led to.
  virtual void give_up_batch() {}
  // Names of what is on trial or out, and to a chain that takes over: what it has of these is tried first.
  virtual std::vector<std::string> distrusted() const { return {}; }
  virtual void distrust(const std::vector<std::string>& /*names*/) {}
  // Of everything that decides what comes out: sources of the apps, their settings. In every commit.
  virtual std::uint64_t version() const = 0;
};

}  // namespace penstock
