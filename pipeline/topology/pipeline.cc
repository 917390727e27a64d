#include "pipeline/topology/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "pipeline/base/log.h"
#include "pipeline/topology/pipeline_impl.h"

namespace penstock::topology {
namespace {

// How long shutdown waits for ingest to finish what was accepted; the rest is read again after the next start.
constexpr Duration kIngestDrain{10'000};

// Counting costs a read of each; whoever has more to wait for need not know how many more.
constexpr std::uint64_t kAgainCounted = 100'000;

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::start(PipelinePlan plan, const Registry& registry, std::stop_token stop) {
  auto impl = std::make_unique<Impl>(std::move(plan), registry);
  TRY(impl->start(std::move(stop)));
  return std::unique_ptr<Pipeline>(new Pipeline(std::move(impl)));
}

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;

Result<void> Pipeline::Impl::start(std::stop_token stop) {
  TRY(parts.open(std::move(stop)));
  parts.chunk_memory.share_among(parts.plan.destinations.size());
  planned_destinations = parts.plan.destinations;
  if (parts.group_log() == nullptr) TRY(start_destinations());
  else delivery_thread = std::jthread([this](const std::stop_token& asked) { run_delivery(asked); });
  watcher = std::make_unique<delivery::TailWatcher>(*parts.log, LogName::events, [this] { wake_destinations(); });
  TRY(start_ingest());
  start_retention();
  start_group_offsets();
  return start_sources();
}

Result<void> Pipeline::Impl::start_destinations() {
  for (const auto& planned : parts.plan.destinations) {
    TRY_ASSIGN(auto prepared, parts.prepare(planned));
    TRY_ASSIGN(auto running, parts.start(std::move(prepared)));
    destinations.emplace(planned.settings.name, std::move(running));
  }
  destinations_wanted = destinations.size();
  return {};
}

Result<void> Pipeline::Impl::start_ingest() {
  chain_plan = parts.plan.chain;
  app_entries = parts.plan.app_entries;
  chain_set = chain_plan->version;
  TRY_ASSIGN(sources, parts.build_pushed());
  return ingest.start();
}

void Pipeline::Impl::start_retention() {
  retention = parts.build_retention([this] { return ingest.captured_committed(); }, [this] { return holders(); });
  retention->look();  // before the first event comes in
  retention_thread = std::jthread([this](const std::stop_token& stop) { retention->run(stop); });
}

// Whoever says `hold: true`, whether it runs at this moment or not. The store's word counts also for one that runs: from there the
// next life goes on, should this one be killed, and what is removed by then would be a loss to it.
std::vector<Holder> Pipeline::Impl::holders() {
  std::vector<Holder> holders;
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex);
    for (const auto& planned : planned_destinations)
      if (planned.delivery.hold) names.push_back(planned.settings.name);
  }
  for (const auto& name : names) {
    const auto cursor = parts.store().cursor(name);
    const auto replay = parts.store().replay(name);
    // While the store cannot tell, everything is kept.
    if (!cursor || !replay) holders.push_back({name, Offsets(static_cast<std::size_t>(parts.log->partitions()), 0)});
    else if (*cursor) holders.push_back({name, *replay ? (*replay)->needs((*cursor)->next) : (*cursor)->next});
  }
  return holders;
}

namespace {

// Of those that do not run, but will when they can.
void show_pauses(std::vector<DestinationStatus>& statuses, const catalog::Catalog& catalog) {
  const auto pauses = catalog.pauses();
  if (!pauses) return;  // the catalog tells by itself
  for (auto& status : statuses) {
    const auto paused = std::ranges::find(*pauses, status.name, &catalog::Pause::destination);
    if (paused == pauses->end() || status.health != delivery::to_string(delivery::Health::starting)) continue;
    status.health = delivery::to_string(delivery::Health::paused);
    status.reason = paused->note;
  }
}

}  // namespace

// One that does not run is told all the same: its events wait for it.
std::vector<DestinationStatus> Pipeline::Impl::destination_statuses() {
  std::vector<DestinationStatus> statuses;
  std::vector<std::size_t> not_running;
  const bool shared = parts.group_log() != nullptr;
  const char* const resting = shared ? "it waits for shards of the input" : "a reload restarts it";
  {
    const std::lock_guard lock(mutex);
    for (const auto& planned : planned_destinations) {
      const std::string& name = planned.settings.name;
      if (const auto running = destinations.find(name); running != destinations.end()) {
        statuses.push_back(to_status(*running->second));
        continue;
      }
      if (draining) continue;  // it has come to its end
      const auto why = not_started.find(name);
      const auto health = why == not_started.end() ? delivery::Health::starting : delivery::Health::stopped;
      not_running.push_back(statuses.size());
      statuses.push_back({.name = name,
                          .type = planned.settings.type,
                          .health = std::string(delivery::to_string(health)),
                          .reason = why == not_started.end() ? resting : why->second});
    }
  }
  // The store and the catalog read from a disk, which nobody else should have to wait for.
  if (!not_running.empty()) show_pauses(statuses, parts.catalog());
  for (const std::size_t at : not_running) {
    if (shared) break;  // others may have got further with them
    const auto cursor = parts.store().cursor(statuses[at].name);
    if (cursor && *cursor)
      statuses[at].lag_events = delivery::events_between((*cursor)->next, parts.log->end(LogName::events));
  }
  for (auto& status : statuses) status.again_waiting = parts.store().count_wanted(status.name, kAgainCounted).value_or(0);
  std::ranges::sort(statuses, {}, &DestinationStatus::name);
  return statuses;
}

void Pipeline::Impl::start_group_offsets() {
  group_offsets = parts.build_group_offsets([this] {
    std::vector<logs::kafka::GroupOffsets::Cursor> cursors;
    const std::lock_guard lock(mutex);
    for (const auto& [name, running] : destinations)
      cursors.push_back({name, parts.of_share(running->runner->status().cursor)});
    return cursors;
  });
}

Result<void> Pipeline::Impl::start_sources() {
  for (auto& source : sources) {
    if (auto started = source.source->start(*source.intake); !started) {
      return fail(std::move(started).error().context("source " + source.name));
    }
  }
  return {};
}

void Pipeline::Impl::wake_destinations() {
  const std::lock_guard lock(mutex);
  for (auto& [name, running] : destinations) running->runner->wake();
}

void Pipeline::Impl::stop_everything(Duration ingest_drain) {
  {
    // A reload under way comes to its end first; a later one sees that it is too late.
    const std::lock_guard one(changing);
    if (std::exchange(stopped, true)) return;
    draining = true;
  }
  for (auto& source : sources) source.source->stop();
  if (retention_thread.joinable()) {
    retention_thread.request_stop();
    retention_thread.join();
  }
  if (delivery_thread.joinable()) {
    delivery_thread.request_stop();
    delivery_thread.join();
  }
  ingest.stop(ingest_drain);
  watcher.reset();
  group_offsets.reset();
  std::vector<std::unique_ptr<RunningDestination>> leaving;
  {
    const std::lock_guard lock(mutex);
    for (auto& [name, running] : destinations) leaving.push_back(std::move(running));
    destinations.clear();
  }
  stop_destinations(std::move(leaving));
  parts.close();
}

// All of them at once; each has its own `drain`.
void Pipeline::Impl::stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving) {
  stop_destinations(std::move(leaving), Duration::max());
}

void Pipeline::Impl::stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving, Duration within) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left = 0;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->left = leaving.size();
  for (auto& running : leaving) {
    running->runner->stop(std::min(running->drain, within), [waiting] {
      const std::lock_guard lock(waiting->mutex);
      --waiting->left;
      waiting->changed.notify_all();
    });
  }
  std::unique_lock lock(waiting->mutex);
  waiting->changed.wait(lock, [&] { return waiting->left == 0; });
}

bool Pipeline::Impl::all_settled() const {
  const Offsets end = parts.log->end(LogName::events);
  const std::lock_guard lock(mutex);
  if (destinations.size() != destinations_wanted) return false;
  return std::ranges::all_of(destinations, [&](const auto& entry) {
    entry.second->runner->hurry();
    return entry.second->runner->settled(end);
  });
}

bool Pipeline::input_over() const {
  const auto& planned = impl_->parts.plan.sources;
  if (!std::ranges::all_of(planned, [](const auto& s) { return s.plan.finite; })) return false;
  if (!std::ranges::all_of(impl_->sources, [](const auto& s) { return s.source->finished(); })) return false;
  return impl_->ingest.caught_up();
}

bool Pipeline::finished() const { return input_over() && impl_->all_settled(); }

std::optional<Error> Pipeline::failure() const {
  if (auto broken = impl_->parts.log->failure()) return broken;
  for (const auto& state : impl_->parts.states().all())
    if (auto broken = state->failure()) return broken;
  if (auto broken = impl_->parts.store().failure()) return broken;
  for (const auto& source : impl_->sources)
    if (auto broken = source.source->failure()) return broken;
  return impl_->ingest.failure();
}

Result<void> Pipeline::stop() {
  impl_->stop_everything(kIngestDrain);
  if (auto broken = failure()) return fail(*std::move(broken));
  return {};
}

const PipelinePlan& Pipeline::plan() const { return impl_->parts.plan; }

std::string Pipeline::render_metrics() const {
  return impl_->parts.render_metrics(impl_->ingest.lag(), impl_->ingest.group());
}

Steering& Pipeline::steering() { return impl_->steering; }

Result<std::vector<dead::Listed>> Pipeline::list_dead(const dead::Filter& filter, const dead::Page& page) const {
  return impl_->parts.list_dead(filter, page);
}

Result<DeadLetter> Pipeline::find_dead(const std::string& id) const { return impl_->parts.find_dead(id); }

PipelineStatus Pipeline::status() const {
  PipelineStatus status = impl_->parts.status();
  status.state = impl_->draining ? "draining" : "running";
  status.workers = impl_->ingest.size();
  status.chain_version = impl_->ingest.chain_version();
  status.ingest_idle = impl_->ingest.idle();
  status.ingest_busy = impl_->ingest.busy();
  status.inputs = to_status(impl_->ingest.lag());
  status.group = impl_->ingest.group();
  const ingest::IngestSums counts = impl_->ingest.counts();
  status.ingest_kept = counts.kept;
  status.ingest_dropped = counts.dropped;
  status.ingest_duplicates = counts.duplicates;
  status.ingest_dead = counts.dead;
  {
    const std::lock_guard lock(impl_->mutex);
    status.apps_refused = impl_->apps_refused;
  }
  status.destinations = impl_->destination_statuses();
  judge(status, failure(), impl_->parts.store().damage());
  return status;
}

}  // namespace penstock::topology
