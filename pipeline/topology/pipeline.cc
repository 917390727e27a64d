#include "pipeline/topology/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "pipeline/base/log.h"
#include "pipeline/scripting/package/app_files.h"
#include "pipeline/topology/app_reload.h"
#include "pipeline/topology/builder.h"
#include "pipeline/topology/steering.h"

namespace penstock::topology {
namespace {

// How long shutdown waits for ingest to finish what was accepted; the rest is read again after the next start.
constexpr Duration kIngestDrain{10'000};

std::string join(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

// What a reload would have to change but cannot.
std::vector<std::string> changed_fixed_parts(const PipelinePlan& now, const PipelinePlan& next) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < now.fixed_parts.size(); ++i) {
    if (now.fixed_parts[i] != next.fixed_parts[i]) changed.push_back(now.fixed_parts[i].first);
  }
  return changed;
}

}  // namespace

struct Pipeline::Impl {
  Impl(PipelinePlan given, const Registry& known) : parts(std::move(given), known) {}
  ~Impl() { stop_everything(Duration(0)); }

  Result<void> start();
  Result<void> start_ingest();
  Result<void> start_sources();
  void start_retention();
  void wake_destinations();
  void stop_everything(Duration ingest_drain);
  void stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving);
  Result<std::vector<PreparedDestination>> prepare_changed(const PipelinePlan& next, ReloadReport& report);
  std::vector<std::unique_ptr<RunningDestination>> take_leaving(const PipelinePlan& next,
                                                                const std::vector<PreparedDestination>& prepared,
                                                                ReloadReport& report);
  Result<void> start_prepared(std::vector<PreparedDestination> prepared);
  Result<ReloadReport> take_apps();
  void set_chains(std::shared_ptr<const scripting::ChainPlan> next, std::vector<std::unique_ptr<Transform>> chains,
                  ReloadReport& report);
  bool all_settled() const;

  Parts parts;
  Steering steering{parts, [this](const std::string& name, const std::function<void(RunningDestination*)>& with) {
                      const std::lock_guard lock(mutex);
                      const auto found = destinations.find(name);
                      with(found == destinations.end() ? nullptr : found->second.get());
                    }};
  std::unique_ptr<ingest::Workers> workers;
  std::vector<RunningSource> sources;
  std::unique_ptr<delivery::TailWatcher> watcher;
  std::unique_ptr<Retention> retention;
  std::jthread retention_thread;

  std::mutex changing;  // held while destinations and chain are being replaced, or everything is being stopped
  std::uint64_t chain_set = 0;  // guarded by changing; the version that was last given to the workers
  std::shared_ptr<const scripting::ChainPlan> chain_plan;  // guarded by changing; of that version

  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<RunningDestination>> destinations;  // guarded by mutex
  std::size_t destinations_wanted = 0;  // guarded by mutex; more than there are while a reload restarts some
  std::vector<scripting::AppEntry> app_entries;  // guarded by mutex; of the configuration loaded last
  std::string apps_refused;  // guarded by mutex
  std::atomic<bool> draining = false;
  bool stopped = false;
};

Result<std::unique_ptr<Pipeline>> Pipeline::start(PipelinePlan plan, const Registry& registry) {
  auto impl = std::make_unique<Impl>(std::move(plan), registry);
  TRY(impl->start());
  return std::unique_ptr<Pipeline>(new Pipeline(std::move(impl)));
}

Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;

Result<void> Pipeline::Impl::start() {
  TRY(parts.open());
  for (const auto& planned : parts.plan.destinations) {
    TRY_ASSIGN(auto prepared, parts.prepare(planned));
    TRY_ASSIGN(auto running, parts.start(std::move(prepared)));
    destinations.emplace(planned.settings.name, std::move(running));
  }
  destinations_wanted = destinations.size();
  watcher = std::make_unique<delivery::TailWatcher>(*parts.log, LogName::events, [this] { wake_destinations(); });
  TRY(start_ingest());
  start_retention();
  return start_sources();
}

Result<void> Pipeline::Impl::start_ingest() {
  TRY_ASSIGN(auto built, parts.build_ingest());
  workers = std::move(built.workers);
  chain_plan = parts.plan.chain;
  app_entries = parts.plan.app_entries;
  chain_set = workers->chain_version();
  sources = std::move(built.pushed);
  TRY(workers->open());
  workers->start();
  return {};
}

void Pipeline::Impl::start_retention() {
  retention = parts.build_retention(*workers, [this] {
    std::vector<Holder> holders;
    const std::lock_guard lock(mutex);
    for (const auto& [name, running] : destinations)
      if (running->hold) holders.push_back({name, running->runner->status().cursor});
    return holders;
  });
  retention->look();  // before the first event comes in
  retention_thread = std::jthread([this](const std::stop_token& stop) { retention->run(stop); });
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
  if (workers) {
    workers->drain();
    const auto deadline = parts.clock.steady() + ingest_drain;
    while (!workers->resting() && !workers->failure() && !parts.log->failure() && parts.clock.steady() < deadline)
      std::this_thread::sleep_for(Duration(5));
    workers->stop();
  }
  watcher.reset();
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
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left = 0;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->left = leaving.size();
  for (auto& running : leaving) {
    running->runner->stop(running->drain, [waiting] {
      const std::lock_guard lock(waiting->mutex);
      --waiting->left;
      waiting->changed.notify_all();
    });
  }
  std::unique_lock lock(waiting->mutex);
  waiting->changed.wait(lock, [&] { return waiting->left == 0; });
}

// New ones and those whose settings differ, built but not started.
Result<std::vector<PreparedDestination>> Pipeline::Impl::prepare_changed(const PipelinePlan& next, ReloadReport& report) {
  std::vector<PreparedDestination> prepared;
  const std::lock_guard lock(mutex);
  for (const auto& planned : next.destinations) {
    const auto found = destinations.find(planned.settings.name);
    const bool is_new = found == destinations.end();
    if (!is_new && found->second->fingerprint == planned.fingerprint) continue;
    TRY_ASSIGN(auto made, parts.prepare(planned));
    prepared.push_back(std::move(made));
    report.changes.push_back(
        fmt::format("destination {}: {}", planned.settings.name, is_new ? "added" : "restarted, its settings changed"));
  }
  return prepared;
}

// Those that are no longer wanted, and those that `prepared` replaces.
std::vector<std::unique_ptr<RunningDestination>> Pipeline::Impl::take_leaving(
    const PipelinePlan& next, const std::vector<PreparedDestination>& prepared, ReloadReport& report) {
  std::vector<std::unique_ptr<RunningDestination>> leaving;
  const std::lock_guard lock(mutex);
  destinations_wanted = next.destinations.size();
  for (auto it = destinations.begin(); it != destinations.end();) {
    const std::string& name = it->first;
    const bool gone = std::ranges::none_of(next.destinations, [&](const auto& d) { return d.settings.name == name; });
    const bool replaced = std::ranges::any_of(prepared, [&](const auto& made) { return made.name == name; });
    if (gone) report.changes.push_back(fmt::format("destination {}: removed, its cursor is kept", name));
    if (gone || replaced) {
      leaving.push_back(std::move(it->second));
      it = destinations.erase(it);
    } else {
      ++it;
    }
  }
  return leaving;
}

// As many as can be; the first error is told, and its destination stands still until the next reload or start.
Result<void> Pipeline::Impl::start_prepared(std::vector<PreparedDestination> prepared) {
  Result<void> all;
  for (auto& made : prepared) {
    const std::string name = made.name;
    auto running = parts.start(std::move(made));
    if (!running) {
      if (all) all = fail(std::move(running).error().context("it is stopped until the next reload"));
      continue;
    }
    (*running)->runner->wake();
    const std::lock_guard lock(mutex);
    destinations.emplace(name, *std::move(running));
  }
  return all;
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
  return impl_->workers->caught_up();
}

bool Pipeline::finished() const { return input_over() && impl_->all_settled(); }

std::optional<Error> Pipeline::failure() const {
  if (auto broken = impl_->parts.log->failure()) return broken;
  return impl_->workers->failure();
}

Result<void> Pipeline::stop() {
  impl_->stop_everything(kIngestDrain);
  if (auto broken = failure()) return fail(*std::move(broken));
  return {};
}

const PipelinePlan& Pipeline::plan() const { return impl_->parts.plan; }

std::string Pipeline::render_metrics() const { return impl_->parts.render_metrics(impl_->workers->lag()); }

Steering& Pipeline::steering() { return impl_->steering; }

Result<std::vector<dead::Listed>> Pipeline::list_dead(const dead::Filter& filter, const dead::Page& page) const {
  return impl_->parts.list_dead(filter, page);
}

Result<DeadLetter> Pipeline::find_dead(const std::string& id) const { return impl_->parts.find_dead(id); }

PipelineStatus Pipeline::status() const {
  PipelineStatus status = impl_->parts.status();
  status.state = impl_->draining ? "draining" : "running";
  status.workers = impl_->workers->size();
  status.chain_version = impl_->workers->chain_version();
  status.ingest_idle = impl_->workers->idle();
  status.ingest_busy = impl_->workers->busy();
  status.inputs = to_status(impl_->workers->lag());
  const ingest::IngestSums counts = impl_->workers->counts();
  status.ingest_kept = counts.kept;
  status.ingest_dropped = counts.dropped;
  status.ingest_duplicates = counts.duplicates;
  status.ingest_dead = counts.dead;
  {
    const std::lock_guard lock(impl_->mutex);
    status.apps_refused = impl_->apps_refused;
    for (const auto& [name, running] : impl_->destinations)
      status.destinations.push_back(to_status(*running, impl_->parts.store()));
  }
  judge(status, failure());
  return status;
}

Result<ReloadReport> Pipeline::reload(PipelinePlan next) {
  Impl& impl = *impl_;
  const std::lock_guard one(impl.changing);
  if (impl.draining) return fail(ErrorKind::stopped, "penstock is stopping; nothing was changed");
  if (const auto fixed = changed_fixed_parts(impl.parts.plan, next); !fixed.empty()) {
    return fail(ErrorKind::conflict,
                fmt::format("{} cannot be changed by a reload: restart penstock to apply it. Nothing was "
                            "changed.",
                            join(fixed)));
  }
  // First everything that may fail for its settings' sake; then the change itself.
  ReloadReport report;
  TRY(check_cases(*impl.chain_plan, *next.chain));
  TRY_ASSIGN(auto chains, impl.parts.build_chains(next.chain));
  TRY_ASSIGN(auto prepared, impl.prepare_changed(next, report));
  impl.stop_destinations(impl.take_leaving(next, prepared, report));
  const auto started = impl.start_prepared(std::move(prepared));
  impl.set_chains(next.chain, std::move(chains), report);
  const std::lock_guard lock(impl.mutex);
  impl.app_entries = std::move(next.app_entries);
  impl.apps_refused.clear();
  if (!started) return fail(started.error());
  return report;
}

void Pipeline::Impl::set_chains(std::shared_ptr<const scripting::ChainPlan> next,
                                std::vector<std::unique_ptr<Transform>> chains, ReloadReport& report) {
  chain_plan = std::move(next);
  if (chain_plan->version == chain_set) return;
  chain_set = chain_plan->version;
  report.changes.push_back(fmt::format("apps: the chain is now {:016x}", chain_set));
  workers->set_chains(std::move(chains));
}

Result<ReloadReport> Pipeline::Impl::take_apps() {
  std::vector<scripting::AppEntry> entries;
  {
    const std::lock_guard lock(mutex);
    entries = app_entries;
  }
  config::Problems problems;
  const auto next = scripting::plan_chain(entries, problems);
  if (next == nullptr) return fail(ErrorKind::invalid, problems.front().to_string());
  TRY(check_cases(*chain_plan, *next));
  ReloadReport report;
  if (next->version == chain_set) return report;
  TRY_ASSIGN(auto chains, parts.build_chains(next));
  set_chains(next, std::move(chains), report);
  return report;
}

Result<ReloadReport> Pipeline::reload_apps() {
  const std::lock_guard one(impl_->changing);
  if (impl_->draining) return fail(ErrorKind::stopped, "penstock is stopping; nothing was changed");
  auto report = impl_->take_apps();
  const std::lock_guard lock(impl_->mutex);
  impl_->apps_refused = report ? "" : report.error().message;
  return report;
}

std::vector<std::string> Pipeline::app_folders() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::string> folders;
  for (const auto& entry : impl_->app_entries)
    if (!scripting::is_bundled(entry.folder)) folders.push_back(entry.folder);
  return folders;
}

}  // namespace penstock::topology
