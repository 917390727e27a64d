#include "pipeline/topology/measured_chain.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::topology {

using scripting::AppCounters;

namespace {

void add(const AppStatus& app, AppStatus& sum) {
  sum.events += app.events;
  sum.dropped += app.dropped;
  sum.errors += app.errors;
  sum.passed_by += app.passed_by;
  if (!sum.suspended) {
    sum.suspended = app.suspended;
    sum.reason = app.reason;
  }
}

}  // namespace

void AppBoard::show(int worker, std::vector<AppStatus> apps) {
  const std::lock_guard lock(mutex_);
  by_worker_[worker] = std::move(apps);
}

void AppBoard::forget(int worker) {
  const std::lock_guard lock(mutex_);
  by_worker_.erase(worker);
}

std::vector<AppStatus> AppBoard::apps() const {
  const std::lock_guard lock(mutex_);
  std::vector<AppStatus> sums;
  std::map<std::pair<std::string, std::string>, std::size_t> suspended;
  for (const auto& [worker, apps] : by_worker_) {
    for (const AppStatus& app : apps) {
      if (app.suspended) ++suspended[{app.name, app.checksum}];
      const auto sum = std::ranges::find_if(
          sums, [&](const auto& other) { return other.name == app.name && other.checksum == app.checksum; });
      if (sum == sums.end()) sums.push_back(app);
      else add(app, *sum);
    }
  }
  for (AppStatus& app : sums) {
    const auto count = suspended[{app.name, app.checksum}];
    if (count > 0 && by_worker_.size() > 1)
      app.reason = fmt::format("in {} of {} workers: {}", count, by_worker_.size(), app.reason);
  }
  return sums;
}

bool AppBoard::suspended(const std::string& app) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(by_worker_, [&](const auto& shown) {
    return std::ranges::any_of(shown.second, [&](const auto& other) { return other.name == app && other.suspended; });
  });
}

namespace {
std::string hex(std::uint64_t checksum) { return fmt::format("{:016x}", checksum); }
}  // namespace

MeasuredChain::AppMetrics::AppMetrics(telemetry::Metrics& metrics, const scripting::AppPlan& plan,
                                      const std::string& destination)
    : registry(metrics), app(plan.name), prefix(destination.empty() ? "penstock_app_" : "penstock_delivery_app_"),
      labels{{"app", plan.name}} {
  if (!destination.empty()) labels.emplace_back("destination", destination);
  const auto counter = [&](const char* name, const char* help) { return metrics.counter(prefix + name, help, labels); };
  const auto failures = [&](const char* kind) {
    return metrics.counter(prefix + "errors_total", "Events an app failed on, by kind.", with({{"kind", kind}}));
  };
  label_overflows = counter("label_overflows_total",
                            "Values of an app's own metrics counted as 'other': too many combinations of labels.");
  events = counter("events_total", "Events given to an app.");
  dropped = counter("dropped_total", "Events an app dropped.");
  errors = failures("error");
  memory_stops = failures("memory");
  instruction_stops = failures("instructions");
  time_stops = failures("time");
  passed_by = counter("passed_by_total", "Events that passed an app by while it was suspended.");
  nanoseconds = counter("nanoseconds_total", "Time spent in an app, from a sample of its calls.");
  info = metrics.gauge(prefix + "info", "1 for the version of an app that runs.",
                       with({{"version", plan.manifest.version}, {"checksum", hex(plan.checksum)}}));
  suspended = metrics.gauge(prefix + "suspended", "1 while an app is suspended because it keeps failing.", labels);
}

telemetry::Labels MeasuredChain::AppMetrics::with(telemetry::Labels more) const {
  more.insert(more.end(), labels.begin(), labels.end());
  return more;
}

void MeasuredChain::AppMetrics::add(const AppCounters& now) {
  events.add(now.events - published.events);
  dropped.add(now.dropped - published.dropped);
  errors.add(now.errors - published.errors);
  memory_stops.add(now.memory_stops - published.memory_stops);
  instruction_stops.add(now.instruction_stops - published.instruction_stops);
  time_stops.add(now.time_stops - published.time_stops);
  passed_by.add(now.passed_by - published.passed_by);
  nanoseconds.add(now.nanoseconds - published.nanoseconds);
  info.set(1);
  published = now;
}

// The app's own metrics, by the names it gave them.
void MeasuredChain::AppMetrics::publish(scripting::AppMetrics& own) {
  own.publish([this](const scripting::AppMetrics::Sample& sample) {
    if (sample.kind == scripting::AppMetrics::Kind::gauge) {
      registry.gauge(prefix + sample.name, "Set by apps: app.metrics.gauge.", with(sample.labels)).set(sample.value);
    } else {
      registry.counter(prefix + sample.name + "_total", "Counted by apps: app.metrics.counter.", with(sample.labels))
          .add_amount(sample.value);
    }
  });
  label_overflows.add(own.overflows() - overflows_published);
  overflows_published = own.overflows();
}

Result<std::unique_ptr<MeasuredChain>> MeasuredChain::make(std::shared_ptr<const scripting::ChainPlan> plan, int worker,
                                                           AppBoard& board, telemetry::Metrics& metrics,
                                                           const std::string& destination) {
  scripting::LogSink log = scripting::program_log();
  if (!destination.empty()) {
    log = [destination, sink = std::move(log)](LogLevel level, std::string_view app, std::string_view message) {
      sink(level, fmt::format("{}/{}", destination, app), message);
    };
  }
  TRY_ASSIGN(auto chain, scripting::Chain::make(std::move(plan), log));
  return std::unique_ptr<MeasuredChain>(
      new MeasuredChain(std::move(chain), std::move(log), worker, board, metrics, destination));
}

MeasuredChain::MeasuredChain(std::unique_ptr<scripting::Chain> chain, scripting::LogSink log, int worker, AppBoard& board,
                             telemetry::Metrics& metrics, const std::string& destination)
    : chain_(std::move(chain)), log_(std::move(log)), worker_(worker), board_(board) {
  for (std::size_t i = 0; i < chain_->size(); ++i) metrics_.emplace_back(metrics, chain_->plan(i), destination);
}

void MeasuredChain::begin_batch(Timestamp now, StateView* state) {
  chain_->begin_batch(now, state);
  trial_ = chain_->standing() == Standing::on_trial;
}

void MeasuredChain::give_up_batch() {
  chain_->give_up_batch();
  trial_ = false;
  publish();
}

// The chain that takes over says 1 again when it publishes, for an app that stays the same; it may already show itself on the
// board.
MeasuredChain::~MeasuredChain() {
  add_to_metrics();
  for (const AppMetrics& app : metrics_) app.info.set(0);
}

// Once the chain holds, no batch begins, so the change itself is published.
bool MeasuredChain::holding() const {
  const bool held = chain_->holding();
  if (held != shown_holding_ && !trial_) {
    add_to_metrics();
    show();
  }
  shown_holding_ = held;
  return held;
}

void MeasuredChain::retry() {
  chain_->retry();
  publish();
}

void MeasuredChain::publish() {
  add_to_metrics();
  show();
  tell_of_failures();
}

void MeasuredChain::tell_of_failures() {
  const SteadyTime now = system_clock().steady();
  for (std::size_t i = 0; i < chain_->size(); ++i)
    for (const std::string& sentence : chain_->failures(i).due(now)) log_(LogLevel::warning, chain_->plan(i).name, sentence);
}

void MeasuredChain::add_to_metrics() const {
  for (std::size_t i = 0; i < chain_->size(); ++i) {
    metrics_[i].add(chain_->counters(i));
    metrics_[i].publish(chain_->metrics(i));
  }
}

void MeasuredChain::show() const {
  std::vector<AppStatus> apps;
  for (std::size_t i = 0; i < chain_->size(); ++i) {
    const AppCounters& counted = chain_->counters(i);
    const scripting::AppPlan& plan = chain_->plan(i);
    apps.push_back({.name = plan.name,
                    .version = plan.manifest.version,
                    .checksum = hex(plan.checksum),
                    .events = counted.events,
                    .dropped = counted.dropped,
                    .errors = counted.errors + counted.memory_stops + counted.instruction_stops + counted.time_stops,
                    .passed_by = counted.passed_by,
                    .suspended = chain_->suspended(i),
                    .holds = plan.suspend.then == scripting::WhileSuspended::hold,
                    .reason = chain_->suspended(i) ? chain_->suspension_reason(i) : ""});
  }
  board_.show(worker_, std::move(apps));
  for (const AppMetrics& app : metrics_) app.suspended.set(board_.suspended(app.app) ? 1 : 0);
}

}  // namespace penstock::topology
