// How each source of the configuration brings its events: read in place, pushed, or read into `captured` to be divided anew.
#include <utility>

#include "pipeline/event/murmur2.h"
#include "pipeline/ingest/repartition.h"
#include "pipeline/topology/builder.h"

namespace penstock::topology {

ConnectorContext Parts::context(const std::string& name, const std::shared_ptr<DerivedState>& state, PartitionShare share) {
  std::function<Result<std::vector<SourcePosition>>()> committed;
  if (state) committed = [state, name] { return state->positions_of(name); };
  return {name,
          plan.folder,
          clock,
          *http_,
          &metrics,
          log->keeps_attachments(),
          std::move(committed),
          share,
          own_topics_,
          source_board.place_for(name, share.index)};
}

// A source that cannot be divided is of one share, and so of one process at a time. Of which must not depend on anything around it, for
// its position is a row of that share.
Result<std::vector<ingest::PolledInput>> Parts::build_polled(const std::shared_ptr<DerivedState>& state,
                                                             PartitionShare share) {
  std::vector<ingest::PolledInput> polled;
  for (const auto& planned : plan.sources) {
    if (planned.plan.pushed || planned.plan.by_captured) continue;
    const std::string& name = planned.settings.name;
    const bool here =
        planned.plan.divisible || share.has(static_cast<int>(murmur2(name) % static_cast<std::uint32_t>(share.of)));
    if (!here) continue;
    auto made = planned.plan.build(context(name, state, planned.plan.divisible ? share : PartitionShare{}));
    if (!made) return fail(std::move(made).error().context("source " + name));
    polled.push_back({identity_of(name), std::get<std::unique_ptr<PolledSource>>(*std::move(made)),
                      ingest::SourceMetrics(metrics, name)});
  }
  return polled;
}

// Those of polled ones too: their dead letters come again through `captured`.
std::vector<ingest::PushedInput> Parts::pushed_inputs() {
  std::vector<ingest::PushedInput> pushed;
  for (const auto& planned : plan.sources)
    pushed.push_back({identity_of(planned.settings.name), ingest::SourceMetrics(metrics, planned.settings.name)});
  return pushed;
}

Result<std::vector<RunningSource>> Parts::build_pushed() {
  std::vector<RunningSource> running;
  for (const auto& planned : plan.sources) {
    if (!planned.plan.pushed && !planned.plan.by_captured) continue;
    const std::string& name = planned.settings.name;
    auto made = planned.plan.build(context(name, whole_state()));
    if (!made) return fail(std::move(made).error().context("source " + name));
    if (auto* const polled = std::get_if<std::unique_ptr<PolledSource>>(&*made)) {
      auto reader = build_repartition(identity_of(name), std::move(*polled));
      if (!reader) return fail(std::move(reader).error().context("source " + name));
      running.push_back(*std::move(reader));
      continue;
    }
    running.push_back(
        {name,
         std::make_unique<ingest::CapturedIntake>(identity_of(name), *log, clock, ingest::SourceMetrics(metrics, name),
                                                  plan.settings.log.pending_max.count, &gate),
         std::get<std::unique_ptr<PushedSource>>(*std::move(made))});
  }
  return running;
}

// Only where there is one state (plan.cc): several shards would have to agree on how far it was read.
Result<RunningSource> Parts::build_repartition(const ingest::SourceIdentity& identity,
                                               std::unique_ptr<PolledSource> source) {
  const auto state = whole_state();
  TRY_ASSIGN(auto positions, ingest::positions_with_captured(
                                 *log, identity.name, [&](const std::string& of) { return stored_positions(*state, of); }));
  const ingest::SourceMetrics source_metrics(metrics, identity.name);
  auto intake = std::make_unique<ingest::CapturedIntake>(identity, *log, clock, source_metrics,
                                                         plan.settings.log.pending_max.count, &gate);
  auto reader = std::make_unique<ingest::Repartition>(
      identity.name, std::move(source), std::move(positions), *intake, source_metrics,
      [this] { return log->next_sequence(LogName::captured) - workers_->captured_committed(); });
  return RunningSource{identity.name, std::move(intake), std::move(reader)};
}

}  // namespace penstock::topology
