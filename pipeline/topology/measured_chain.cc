#include "pipeline/topology/measured_chain.h"

namespace penstock::topology {

using scripting::AppCounters;

void AppBoard::show(std::vector<AppStatus> apps) {
  const std::lock_guard lock(mutex_);
  apps_ = std::move(apps);
}

std::vector<AppStatus> AppBoard::apps() const {
  const std::lock_guard lock(mutex_);
  return apps_;
}

MeasuredChain::AppMetrics::AppMetrics(telemetry::Metrics& metrics, const std::string& app)
    : events(metrics.counter("penstock_app_events_total", "Events given to an app.", {{"app", app}})),
      dropped(metrics.counter("penstock_app_dropped_total", "Events an app dropped.", {{"app", app}})),
      errors(metrics.counter("penstock_app_errors_total", "Events an app failed on, by kind.",
                             {{"app", app}, {"kind", "error"}})),
      memory_stops(metrics.counter("penstock_app_errors_total", "Events an app failed on, by kind.",
                                   {{"app", app}, {"kind", "memory"}})),
      instruction_stops(metrics.counter("penstock_app_errors_total", "Events an app failed on, by kind.",
                                        {{"app", app}, {"kind", "instructions"}})),
      time_stops(metrics.counter("penstock_app_errors_total", "Events an app failed on, by kind.",
                                 {{"app", app}, {"kind", "time"}})),
      nanoseconds(metrics.counter("penstock_app_nanoseconds_total", "Time spent in an app, from a sample of its calls.",
                                  {{"app", app}})) {}

void MeasuredChain::AppMetrics::add(const AppCounters& now) {
  events.add(now.events - published.events);
  dropped.add(now.dropped - published.dropped);
  errors.add(now.errors - published.errors);
  memory_stops.add(now.memory_stops - published.memory_stops);
  instruction_stops.add(now.instruction_stops - published.instruction_stops);
  time_stops.add(now.time_stops - published.time_stops);
  nanoseconds.add((now.nanoseconds - published.nanoseconds) * 64);
  published = now;
}

Result<std::unique_ptr<MeasuredChain>> MeasuredChain::make(std::shared_ptr<const scripting::ChainPlan> plan, AppBoard& board,
                                                           telemetry::Metrics& metrics) {
  TRY_ASSIGN(auto chain, scripting::Chain::make(std::move(plan)));
  return std::unique_ptr<MeasuredChain>(new MeasuredChain(std::move(chain), board, metrics));
}

MeasuredChain::MeasuredChain(std::unique_ptr<scripting::Chain> chain, AppBoard& board, telemetry::Metrics& metrics)
    : chain_(std::move(chain)), board_(board) {
  for (std::size_t i = 0; i < chain_->size(); ++i) metrics_.emplace_back(metrics, chain_->name(i));
}

void MeasuredChain::begin_batch(Timestamp now, StateView* state) {
  publish();
  chain_->begin_batch(now, state);
}

void MeasuredChain::publish() {
  std::vector<AppStatus> apps;
  for (std::size_t i = 0; i < chain_->size(); ++i) {
    const AppCounters& counted = chain_->counters(i);
    metrics_[i].add(counted);
    apps.push_back({.name = chain_->name(i),
                    .events = counted.events,
                    .dropped = counted.dropped,
                    .errors = counted.errors + counted.memory_stops + counted.instruction_stops + counted.time_stops});
  }
  board_.show(std::move(apps));
}

}  // namespace penstock::topology
