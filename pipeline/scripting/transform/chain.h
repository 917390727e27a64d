#pragma once
// An ordered list of apps over one event after another. The event stays one native object on the whole way: what an app
// changed is what the next one reads, nothing is written out and parsed in between.
//
//   kept      one event, or several when an app returned a list: those of a list of two or more get uuids derived from the
//             parent's, the app's name and their place (from 1)
//   dropped   an app returned nil or an empty list (or failed with `on_error: drop`), for every part of the event
//   failed    an app with `on_error: dead_letter` failed on the event or on any part of it: then nothing of it goes on
// What apps change of app.state is in `out.state` when the event was kept or dropped; an app that failed changes nothing, an
// event that failed neither.
// An app that keeps failing is suspended (suspension.h): its events then pass it by, or `holding` tells the stage to wait. When
// it is tried again, counters go back to where they were if the batch is given up; only `suspensions` stays.
// An app that hit a limit has its state thrown away and made again before its next event. One per worker or destination; not
// thread-safe.

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/ports/transform.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/transform/chain_plan.h"
#include "pipeline/scripting/transform/failure_notes.h"
#include "pipeline/scripting/transform/script.h"

namespace penstock::scripting {

// Written by the chain's thread only; read it there, between two runs.
struct AppCounters {
  std::uint64_t events = 0;  // given to the app: past its filter and condition
  std::uint64_t skipped = 0;  // not wanted by filter or condition
  std::uint64_t dropped = 0;  // by what it returned
  std::uint64_t split = 0;  // events made from others
  std::uint64_t passed_by = 0;  // while it was suspended
  std::uint64_t suspensions = 0;
  std::uint64_t errors = 0;  // raised by the script or for what it returned
  std::uint64_t memory_stops = 0;
  std::uint64_t instruction_stops = 0;
  std::uint64_t time_stops = 0;
  std::uint64_t nanoseconds = 0;  // wall clock in the app, measured on one call of 64
};

class Chain final : public Transform {
 public:
  // An error names app, file and line; it can only be a limit when the plan was made by plan_chain.
  static Result<std::unique_ptr<Chain>> make(std::shared_ptr<const ChainPlan> plan, LogSink log = program_log(),
                                             const Clock& clock = system_clock());
  ~Chain() override;

  void begin_batch(Timestamp now, StateView* state) override;
  void begin_batch(Timestamp now) { begin_batch(now, nullptr); }
  void set_time(Timestamp now) override;
  void run(const json::ObjectIndex& body, const Facts& facts, bool canonical, Transformed& out) override;
  std::uint64_t version() const override { return plan_->version; }
  bool holding() const override;
  std::string why_holding() const override;
  void retry() override;
  bool on_trial() const override;
  Standing standing() const override;
  void judge() override;
  void give_up_batch() override;
  std::vector<std::string> distrusted() const override;
  void distrust(const std::vector<std::string>& names) override;

  std::size_t size() const { return apps_.size(); }
  const std::string& name(std::size_t app) const { return plan_->apps[app].name; }
  const AppCounters& counters(std::size_t app) const;
  // What the app itself counts; published between two runs.
  AppMetrics& metrics(std::size_t app);
  // What is to be told of the events that it failed on.
  FailureNotes& failures(std::size_t app);
  const AppPlan& plan(std::size_t app) const { return plan_->apps[app]; }
  bool suspended(std::size_t app) const;
  // Why an app is suspended, or was last; empty when it never was.
  const std::string& suspension_reason(std::size_t app) const;

 private:
  class App;
  enum class Step : std::uint8_t { go_on, failed };

  Chain(std::shared_ptr<const ChainPlan> plan, LogSink log, const Clock& clock);
  EventState& take_state();
  Step pass_through(App& app, EventState& event, Transformed& out);
  Step after_return(App& app, EventState& event, Script::Returned returned, Transformed& out);
  Step replace(App& app, EventState& event, Transformed& out);
  Step give_up(App& app, EventState& event, const ScriptFailure& failure, Transformed& out);

  std::shared_ptr<const ChainPlan> plan_;
  LogSink log_;
  const Clock& clock_;
  std::vector<std::unique_ptr<App>> apps_;
  Arena arena_;
  StateJournal journal_;
  std::deque<EventState> states_;  // the first `states_used_` belong to this run
  std::size_t states_used_ = 0;
  std::set<Uuid> uuids_;  // that the parts of one event have
  std::vector<EventState*> current_, next_;
};

}  // namespace penstock::scripting
