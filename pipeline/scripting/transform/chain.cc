#include "pipeline/scripting/transform/chain.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "pipeline/event/fact_map.h"

namespace penstock::scripting {
namespace {

// Of one event, whatever the number of apps that split: each costs a few hundred bytes while it is on its way.
constexpr std::size_t kPartsMax = 10'000;
constexpr std::size_t kResultBytesMax = 2 << 20;
// Below this, an event cannot have grown enough to be worth measuring.
constexpr std::size_t kAssignedUnchecked = 64 << 10;
constexpr std::uint64_t kSampled = 64;

std::string_view code_of(Stop stop) {
  switch (stop) {
    case Stop::none: return "app_error";
    case Stop::memory: return "app_memory_limit";
    case Stop::instructions: return "app_instruction_limit";
    case Stop::time: return "app_time_limit";
  }
  return "app_error";
}

}  // namespace

// One app of the chain: its plan, its present script, what it counted.
class Chain::App {
 public:
  App(const AppPlan& its_plan, const LogSink& log, const Clock& clock, StateJournal& journal)
      : plan(its_plan), suspension(its_plan.suspend), log_(log), clock_(clock), journal_(journal) {}

  // The script; made anew when the last one is spent.
  Result<Script*> script() {
    if (script_ && !script_->spent()) [[likely]]
      return script_.get();
    script_.reset();
    TRY_ASSIGN(script_, Script::load(plan, log_, clock_, &log_allowance_));
    script_->begin_batch(now_, journal_, metrics);
    return script_.get();
  }

  void begin_batch(Timestamp now) {
    if (suspension.suspended()) suspension.look_at(clock_.steady());
    set_time(now);
  }
  void set_time(Timestamp now) {
    now_ = now;
    if (script_) script_->begin_batch(now, journal_, metrics);
  }

  void remember_counts() { before_.emplace(counters, metrics, failures_to_tell, suspension); }
  void forget_counts() { before_.reset(); }
  void put_counts_back() {
    if (!before_) return;
    auto& [counters_before, metrics_before, failures_before, suspension_before] = *before_;
    counters_before.suspensions = counters.suspensions;
    counters = counters_before;
    metrics = std::move(metrics_before);
    failures_to_tell = std::move(failures_before);
    suspension.put_counts_back(suspension_before);
    before_.reset();
  }

  Script::Returned transform(Script& with, EventState& event) {
    if (counters.events++ % kSampled != 0) [[likely]]
      return with.transform(event);
    const auto start = std::chrono::steady_clock::now();
    const auto returned = with.transform(event);
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
    counters.nanoseconds += static_cast<std::uint64_t>(took.count()) * kSampled;
    return returned;
  }

  void count(Stop stop) {
    switch (stop) {
      case Stop::none: ++counters.errors; break;
      case Stop::memory: ++counters.memory_stops; break;
      case Stop::instructions: ++counters.instruction_stops; break;
      case Stop::time: ++counters.time_stops; break;
    }
  }

  void succeeded() { tell(suspension.succeeded()); }

  void failed(const Facts& facts, const ScriptFailure& failure) {
    count(failure.stop);
    failures_to_tell.add(code_of(failure.stop), facts.uuid, failure.message);
    const auto change = suspension.failed(clock_.steady());
    if (change == Suspension::Change::suspended || suspension.on_trial())
      last_failure_ = fmt::format("on {}: {}", facts.uuid.to_string(), failure.message);
    tell(change);
  }

  void judge() { tell(suspension.judge(clock_.steady())); }

  void tell(Suspension::Change change) {
    if (change == Suspension::Change::recovered) log_(LogLevel::info, plan.name, "works again; no longer suspended");
    if (change != Suspension::Change::suspended) return;
    ++counters.suspensions;
    reason = fmt::format("failed on {} of its last {} events; {}", suspension.failures(), suspension.seen(), last_failure_);
    const bool hold = plan.suspend.then == WhileSuspended::hold;
    log_(LogLevel::error, plan.name,
         fmt::format("suspended: it {}. {} until it is tried again in {} s; mend it and `penstock reload`", reason,
                     hold ? "Events wait" : "Events pass it by unchanged",
                     std::chrono::duration<double>(plan.suspend.retry).count()));
  }

  std::uint64_t failures() const {
    return counters.errors + counters.memory_stops + counters.instruction_stops + counters.time_stops;
  }

  bool passes_by() {
    if (!suspension.suspended()) [[likely]]
      return false;
    suspension.look_at(clock_.steady());
    return suspension.passes();
  }
  bool holds() const { return suspension.suspended() && suspension.holds(clock_.steady()); }

  const AppPlan& plan;
  AppCounters counters;
  AppMetrics metrics;
  FailureNotes failures_to_tell;
  Suspension suspension;
  std::string reason;  // of the last suspension

 private:
  const LogSink& log_;
  const Clock& clock_;
  StateJournal& journal_;
  LogAllowance log_allowance_;  // stays when the script is made anew: an app that hits limits may log no more than others
  Timestamp now_;
  std::unique_ptr<Script> script_;
  std::string last_failure_;
  std::optional<std::tuple<AppCounters, AppMetrics, FailureNotes, Suspension>> before_;  // the batch that is a trial
};

Chain::Chain(std::shared_ptr<const ChainPlan> plan, LogSink log, const Clock& clock)
    : plan_(std::move(plan)), log_(std::move(log)), clock_(clock) {
  for (const AppPlan& app : plan_->apps) apps_.push_back(std::make_unique<App>(app, log_, clock_, journal_));
}

Chain::~Chain() = default;

Result<std::unique_ptr<Chain>> Chain::make(std::shared_ptr<const ChainPlan> plan, LogSink log, const Clock& clock) {
  std::unique_ptr<Chain> chain(new Chain(std::move(plan), std::move(log), clock));
  for (const auto& app : chain->apps_) TRY(app->script());
  return chain;
}

void Chain::begin_batch(Timestamp now, StateView* state) {
  journal_.begin_batch(now, state);
  for (const auto& app : apps_) app->begin_batch(now);
  const bool trial = standing() == Standing::on_trial;
  for (const auto& app : apps_) trial ? app->remember_counts() : app->forget_counts();
}

void Chain::set_time(Timestamp now) {
  journal_.set_time(now);
  for (const auto& app : apps_) app->set_time(now);
}

Standing Chain::standing() const {
  Standing worst = Standing::good;
  for (const auto& app : apps_) worst = std::max(worst, app->suspension.standing());
  return worst;
}

void Chain::judge() {
  for (const auto& app : apps_) app->judge();
}

void Chain::give_up_batch() {
  for (const auto& app : apps_) app->put_counts_back();
}

std::vector<std::string> Chain::distrusted() const {
  std::vector<std::string> names;
  for (const auto& app : apps_)
    if (app->suspension.standing() != Standing::good) names.push_back(app->plan.name);
  return names;
}

void Chain::distrust(const std::vector<std::string>& names) {
  for (const auto& app : apps_)
    if (app->plan.suspend.then == WhileSuspended::hold && std::ranges::find(names, app->plan.name) != names.end())
      app->suspension.start_trial();
}

bool Chain::holding() const {
  return std::ranges::any_of(apps_, [](const auto& app) { return app->holds(); });
}

std::string Chain::why_holding() const {
  auto found = std::ranges::find_if(apps_, [](const auto& app) { return app->holds(); });
  if (found == apps_.end())
    found = std::ranges::find_if(apps_, [](const auto& app) { return app->suspension.standing() != Standing::good; });
  if (found == apps_.end()) return {};
  const std::string& reason = (*found)->reason;
  // One that took over from another has not failed itself.
  if (reason.empty()) return fmt::format("app {} was suspended before it was changed", (*found)->plan.name);
  return fmt::format("app {} {}", (*found)->plan.name, reason.substr(0, reason.find('\n')));
}

void Chain::retry() {
  for (const auto& app : apps_)
    if (app->suspension.suspended()) app->suspension.start_trial();
}

bool Chain::on_trial() const {
  return std::ranges::any_of(apps_, [](const auto& app) { return app->suspension.on_trial(); });
}

bool Chain::suspended(std::size_t app) const { return apps_[app]->suspension.suspended(); }
const std::string& Chain::suspension_reason(std::size_t app) const { return apps_[app]->reason; }
const AppCounters& Chain::counters(std::size_t app) const { return apps_[app]->counters; }
AppMetrics& Chain::metrics(std::size_t app) { return apps_[app]->metrics; }
FailureNotes& Chain::failures(std::size_t app) { return apps_[app]->failures_to_tell; }

EventState& Chain::take_state() {
  if (states_used_ == states_.size()) states_.emplace_back(arena_);
  return states_[states_used_++];
}

void Chain::run(const json::ObjectIndex& body, const Facts& facts, bool canonical, Transformed& out) {
  arena_.reset();
  states_used_ = 0;
  out.events.clear();
  out.state.clear();
  journal_.begin_event(facts);
  EventState& event = take_state();
  event.open(body, facts, canonical);
  current_.assign(1, &event);
  for (const auto& app : apps_) {
    next_.clear();
    for (EventState* each : current_) {
      if (pass_through(*app, *each, out) == Step::go_on) continue;
      out.kind = Transformed::Kind::failed;
      return;
    }
    current_.swap(next_);
    if (current_.empty()) {
      out.kind = Transformed::Kind::dropped;
      journal_.finish(out.state);
      return;
    }
  }
  out.kind = Transformed::Kind::kept;
  journal_.finish(out.state);
  for (EventState* each : current_) {
    const std::string_view text = each->body();
    out.events.push_back({each->facts(), text});
  }
}

Chain::Step Chain::pass_through(App& app, EventState& event, Transformed& out) {
  if (!app.plan.filter.takes(event.facts().event)) {
    ++app.counters.skipped;
    next_.push_back(&event);
    return Step::go_on;
  }
  if (app.passes_by()) [[unlikely]] {
    ++app.counters.passed_by;
    next_.push_back(&event);
    return Step::go_on;
  }
  journal_.begin_app();
  const auto script = app.script();
  if (!script) return give_up(app, event, {.message = script.error().message}, out);
  const Answer wanted = (*script)->wants(event);
  if (wanted == Answer::failed) return give_up(app, event, (*script)->failure(), out);
  if (wanted == Answer::no) {
    ++app.counters.skipped;
    next_.push_back(&event);
    return Step::go_on;
  }
  const bool pass = app.plan.on_error == OnError::pass;
  if (pass) event.mark();
  const auto returned = app.transform(**script, event);
  if (returned == Script::Returned::error) return give_up(app, event, (*script)->failure(), out);
  const std::uint64_t failures = app.failures();
  const Step step = after_return(app, event, returned, out);
  if (app.failures() == failures) app.succeeded();
  if (pass) event.forget_mark();
  return step;
}

Chain::Step Chain::after_return(App& app, EventState& event, Script::Returned returned, Transformed& out) {
  if (returned == Script::Returned::none) {
    ++app.counters.dropped;
    return Step::go_on;
  }
  if (returned == Script::Returned::bodies) return replace(app, event, out);
  event.document().settle();
  if (arena_.used() + event.document().shared() > kAssignedUnchecked) [[unlikely]] {
    if (const std::size_t size = event.body().size(); size > kResultBytesMax)
      return give_up(app, event, {.message = fmt::format("the event is {} bytes now; the limit is 2 MiB", size)}, out);
  }
  next_.push_back(&event);
  return Step::go_on;
}

Chain::Step Chain::replace(App& app, EventState& event, Transformed& out) {
  Script& script = **app.script();
  const auto& bodies = script.bodies();
  if (bodies.size() == 1) {
    event.before_change();
    if (const auto opened = event.open_made(bodies.front(), event); !opened)
      return give_up(app, event, {.message = opened.error().message}, out);
    next_.push_back(&event);
    return Step::go_on;
  }
  if (next_.size() + bodies.size() > kPartsMax)
    return give_up(app, event, {.message = fmt::format("more than {} events were made of one", kPartsMax)}, out);
  app.counters.split += bodies.size();
  const std::size_t before = next_.size();
  uuids_.clear();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    EventState& part = take_state();
    if (const auto opened = part.open_made(bodies[i], event); !opened) {
      next_.resize(before);
      return give_up(app, event, {.message = fmt::format("the returned event {}: {}", i + 1, opened.error().message)}, out);
    }
    // What the app gave a uuid of its own keeps it; copies of the event need new ones.
    const Uuid& own = part.facts().uuid;
    if (own == event.facts().uuid || !uuids_.insert(own).second)
      part.set_uuid(derived_uuid(event.facts().uuid, app.plan.name, static_cast<std::uint32_t>(i + 1)));
    next_.push_back(&part);
  }
  return Step::go_on;
}

Chain::Step Chain::give_up(App& app, EventState& event, const ScriptFailure& failure, Transformed& out) {
  journal_.take_back();
  // When state could not be told it is not the app's doing, and the event will come again.
  const bool unreadable = journal_.unreadable();
  if (!unreadable) app.failed(event.facts(), failure);
  switch (unreadable ? OnError::dead_letter : app.plan.on_error) {
    case OnError::drop: return Step::go_on;
    case OnError::pass:
      event.put_back();
      event.forget_mark();
      next_.push_back(&event);
      return Step::go_on;
    case OnError::dead_letter: break;
  }
  out.app = app.plan.name;
  out.code = code_of(failure.stop);
  out.reason = failure.message;
  out.traceback = failure.traceback;
  return Step::failed;
}

}  // namespace penstock::scripting
