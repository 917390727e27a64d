#pragma once
// The inside of a Pipeline: its parts, its threads, and what of it may be replaced while it runs.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/topology/app_reload.h"
#include "pipeline/topology/builder.h"
#include "pipeline/topology/pipeline.h"
#include "pipeline/topology/steering.h"

namespace penstock::topology {

struct Pipeline::Impl {
  Impl(PipelinePlan given, const Registry& known) : parts(std::move(given), known) {}
  ~Impl() { stop_everything(Duration(0)); }

  Result<void> start(std::stop_token stop);
  Result<void> start_ingest();
  Result<void> start_sources();
  void start_retention();
  std::vector<Holder> holders();
  std::vector<DestinationStatus> destination_statuses();
  void start_group_offsets();
  void wake_destinations();
  void stop_everything(Duration ingest_drain);
  bool all_settled() const;
  void stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving);

  // Reloading (pipeline_reload.cc). Everything new, built and checked, before anything old is touched.
  struct Change {
    std::vector<PlannedDestination> destinations;  // all there are to be
    std::vector<PreparedDestination> prepared;  // of them, those that are new or differ
    std::shared_ptr<const scripting::ChainPlan> chain_plan;
    std::vector<std::unique_ptr<Transform>> chains;  // one a worker; none: they stay the same
  };
  Chains running_chains() const;
  bool was_stopped(const std::string& name) const;
  Result<std::vector<PreparedDestination>> prepare_changed(const std::vector<PlannedDestination>& next,
                                                           ReloadReport& report);
  std::vector<std::unique_ptr<RunningDestination>> take_leaving(const std::vector<PlannedDestination>& next,
                                                                const std::vector<PreparedDestination>& prepared,
                                                                ReloadReport& report);
  Result<void> start_prepared(std::vector<PreparedDestination> prepared);
  Result<ReloadReport> take_apps();
  Result<Change> prepare(std::vector<PlannedDestination> next, std::shared_ptr<const scripting::ChainPlan> chain,
                         ReloadReport& report);
  Result<void> apply(Change change, ReloadReport& report);

  Parts parts;
  Steering steering{parts, [this](const std::string& name, const std::function<void(RunningDestination*)>& with) {
                      const std::lock_guard lock(mutex);
                      const auto found = destinations.find(name);
                      with(found == destinations.end() ? nullptr : found->second.get());
                    }};
  std::unique_ptr<ingest::Workers> workers;
  std::vector<RunningSource> sources;
  std::unique_ptr<delivery::TailWatcher> watcher;
  std::unique_ptr<logs::kafka::GroupOffsets> group_offsets;
  std::unique_ptr<Retention> retention;
  std::jthread retention_thread;

  std::mutex changing;  // held while destinations and chain are being replaced, or everything is being stopped
  std::uint64_t chain_set = 0;  // guarded by changing; the version that was last given to the workers
  std::shared_ptr<const scripting::ChainPlan> chain_plan;  // guarded by changing; of that version

  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<RunningDestination>> destinations;  // guarded by mutex
  std::size_t destinations_wanted = 0;  // guarded by mutex; more than there are while a reload restarts some
  std::vector<scripting::AppEntry> app_entries;  // guarded by mutex; of the configuration loaded last
  std::vector<PlannedDestination> planned_destinations;  // guarded by mutex; likewise, as soon as it is applied
  std::map<std::string, std::string> not_started;  // guarded by mutex; why, of those that a reload could not start
  std::string apps_refused;  // guarded by mutex
  std::atomic<bool> draining = false;
  bool stopped = false;
};

}  // namespace penstock::topology
