// Ingest: its sources, chains and workers, for the whole input or for one share of it.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/log.h"
#include "pipeline/topology/builder.h"
#include "pipeline/topology/memory_plan.h"

namespace penstock::topology {

// Asked when a worker begins to read, with nothing of its own in flight: the moment to mend a state that fell behind.
Result<std::vector<SourcePosition>> stored_positions(DerivedState& state, const std::string& source) {
  const auto recovered = state.recover();
  if (!recovered && recovered.error().kind != ErrorKind::unavailable) log_warning("state", "{}", recovered.error().message);
  return state.positions_of(source);
}

int Parts::worker_count() const {
  return group_log_ == nullptr ? std::min(wanted_workers(plan.settings), log->partitions()) : group_log_->shards();
}

Result<std::vector<std::unique_ptr<Transform>>> Parts::build_chains(
    const std::shared_ptr<const scripting::ChainPlan>& chain) {
  std::vector<std::unique_ptr<Transform>> chains;
  for (int worker = 0; worker < worker_count(); ++worker) {
    auto made = MeasuredChain::make(chain, worker, app_board, metrics);
    if (!made) return fail(std::move(made).error().context("apps"));
    chains.push_back(*std::move(made));
  }
  return chains;
}

Result<BuiltShard> Parts::build_whole() {
  BuiltShard built;
  built.state = states_.all().front();
  TRY_ASSIGN(auto chains, build_chains(plan.chain));
  TRY_ASSIGN(built.workers, build_workers(*log, built.state, {}, std::move(chains)));
  TRY(built.workers->open());
  workers_ = built.workers.get();
  return built;
}

Result<BuiltShard> Parts::build_shard(const penstock::kafka::Holding& shard,
                                      const std::shared_ptr<const scripting::ChainPlan>& chain,
                                      const std::stop_token& stop) {
  BuiltShard built;
  TRY_ASSIGN(built.log, group_log_->take(shard, stop));
  auto restored = restore_shard(built, shard.partition, chain, stop);
  if (restored) return built;
  // It was adopted, so others would have to end what this process has open.
  if (restored.error().kind == ErrorKind::stopped) static_cast<void>(group_log_->release(shard.partition));
  return fail(std::move(restored).error());
}

Result<void> Parts::restore_shard(BuiltShard& built, int shard, const std::shared_ptr<const scripting::ChainPlan>& chain,
                                  const std::stop_token& stop) {
  const std::string folder = fmt::format("{}/state/{}", plan.data, shard);
  TRY(disk.create_directories(plan.data + "/state"));
  StateOptions options{folder, fmt::format("{}/checkpoints/{}", plan.data, shard), plan.settings.state.checkpoint_every};
  TRY_ASSIGN(built.state, DerivedState::open(std::move(options), *built.log, clock, stop));
  std::vector<std::unique_ptr<Transform>> chains;
  auto made = MeasuredChain::make(chain, shard, app_board, metrics);
  if (!made) return fail(std::move(made).error().context("apps"));
  chains.push_back(*std::move(made));
  TRY_ASSIGN(built.workers, build_workers(*built.log, built.state, {shard, group_log_->shards()}, std::move(chains)));
  // What is pushed may be sent again, and then has to be known.
  const bool pushed = std::ranges::any_of(plan.sources, [](const auto& source) { return source.plan.pushed; });
  if (pushed && uuids_of_log_->seen().enabled()) TRY(group_log_->wait_for_undecided(stop));
  return built.workers->open(stop);
}

Result<std::unique_ptr<ingest::Workers>> Parts::build_workers(Log& of_share, const std::shared_ptr<DerivedState>& state,
                                                              PartitionShare share,
                                                              std::vector<std::unique_ptr<Transform>> chains) {
  TRY_ASSIGN(auto polled, build_polled(state, share));
  const auto& settings = plan.settings.ingest;
  ingest::WorkerOptions options;
  options.share = share;
  options.gate = &gate;
  options.uuids_of_log = uuids_of_log_.get();
  const ingest::DedupSettings dedup{settings.dedup.window,
                                    static_cast<std::size_t>(settings.dedup.uuids) / static_cast<std::size_t>(share.of)};
  options.commit = {static_cast<std::size_t>(settings.commit_events), settings.commit_bytes.count, settings.commit_within};
  // There every event is a message, so chunks are only a way to hand them over.
  options.commit.compression = plan.settings.log.compression;
  if (event_bytes_max_ > 0) options.commit.event_bytes = event_bytes_max_;
  if (letter_bytes_max_ > 0) options.commit.one_letter_bytes = letter_bytes_max_;
  return std::make_unique<ingest::Workers>(
      of_share, clock, [state](const std::string& source) { return stored_positions(*state, source); },
      [state](std::uint64_t sequence, const LogRecord& changes) {
        // Derived state can always be made again from the log, so it may lag behind; it refuses to tell rows then.
        // It tells why by itself, once.
        [[maybe_unused]] const auto applied = state->apply(sequence, changes);
      },
      *state, std::move(chains), std::move(polled), pushed_inputs(), dedup, options, ingest::WorkerMetrics(metrics));
}

}  // namespace penstock::topology
