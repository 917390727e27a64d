// How each source of the configuration brings its events: read in place, pushed, or read into `captured` to be divided anew.
#include <utility>

#include "pipeline/ingest/repartition.h"
#include "pipeline/topology/builder.h"

namespace penstock::topology {

Result<void> Parts::build_source(const PlannedSource& planned, std::vector<ingest::PolledInput>& polled,
                                 std::vector<ingest::PushedInput>& pushed, std::vector<RunningSource>& running) {
  const std::string& name = planned.settings.name;
  const ingest::SourceIdentity identity{name, planned.project, paths_of(planned.settings)};
  const ingest::SourceMetrics source_metrics(metrics, name);
  TRY_ASSIGN(auto made, planned.plan.build(context(name)));
  auto* const source = std::get_if<std::unique_ptr<PolledSource>>(&made);
  if (source != nullptr && planned.plan.by_captured) return build_repartition(identity, std::move(*source), pushed, running);
  if (source != nullptr) {
    polled.push_back({identity, std::move(*source), source_metrics});
    pushed.push_back({identity, source_metrics});  // its dead letters come again through `captured`
    return {};
  }
  pushed.push_back({identity, source_metrics});
  running.push_back({name,
                     std::make_unique<ingest::CapturedIntake>(identity, *log, clock, source_metrics,
                                                              plan.settings.log.pending_max.count, &gate),
                     std::get<std::unique_ptr<PushedSource>>(std::move(made))});
  return {};
}

Result<void> Parts::build_repartition(const ingest::SourceIdentity& identity, std::unique_ptr<PolledSource> source,
                                      std::vector<ingest::PushedInput>& pushed, std::vector<RunningSource>& running) {
  TRY_ASSIGN(auto positions, ingest::positions_with_captured(
                                 *log, identity.name, [this](const std::string& of) { return stored_positions(of); }));
  const ingest::SourceMetrics source_metrics(metrics, identity.name);
  auto intake = std::make_unique<ingest::CapturedIntake>(identity, *log, clock, source_metrics,
                                                         plan.settings.log.pending_max.count, &gate);
  auto reader = std::make_unique<ingest::Repartition>(
      identity.name, std::move(source), std::move(positions), *intake, source_metrics,
      [this] { return log->next_sequence(LogName::captured) - workers_->captured_committed(); });
  pushed.push_back({identity, source_metrics});
  running.push_back({identity.name, std::move(intake), std::move(reader)});
  return {};
}

}  // namespace penstock::topology
