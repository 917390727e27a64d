#pragma once
// The inside of a Pipeline: its parts, its threads, and what of it may be replaced while it runs.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/topology/app_reload.h"
#include "pipeline/topology/builder.h"
#include "pipeline/topology/ingest.h"
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
  Result<void> start_destinations();
  // Where processes share the work (pipeline_shards.cc).
  void deliver(const std::set<int>& shards, bool lost);
  void run_delivery(const std::stop_token& stop);
  Result<void> deliver_anew(std::uint64_t version);
  void stop_delivering(Duration within, bool commit);
  Result<void> start_delivering();
  // It is among `destinations` when this returns.
  Result<void> start_one(PreparedDestination prepared);
  Result<void> take_cursor(const std::string& destination, const std::string& from);
  void wake_destinations();
  void stop_everything(Duration ingest_drain);
  bool all_settled() const;
  void stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving);
  void stop_destinations(std::vector<std::unique_ptr<RunningDestination>> leaving, Duration within);

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
  Steering steering{parts,
                    [this](const std::string& name, const std::function<void(RunningDestination*)>& with) {
                      const std::lock_guard lock(mutex);
                      const auto found = destinations.find(name);
                      with(found == destinations.end() ? nullptr : found->second.get());
                    },
                    [this](const std::string& name) {
                      const std::lock_guard lock(mutex);
                      return std::ranges::any_of(planned_destinations,
                                                 [&](const auto& each) { return each.settings.name == name; });
                    }};
  Ingest ingest{parts, [this](const std::set<int>& shards, bool lost) { deliver(shards, lost); }};
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

  // Where processes share the work.
  std::set<int> delivered_shards;  // guarded by changing; those that destinations are here for
  std::map<std::string, std::set<int>>
      taken;  // guarded by changing; by destination, of which its cursor in the folder tells
  std::mutex wanted_mutex;  // taken after changing
  std::condition_variable_any wanted_changed;  // with wanted_mutex
  std::set<int> wanted_shards;  // guarded by wanted_mutex
  std::uint64_t wanted_version = 0;  // guarded by wanted_mutex; how often shards came or went
  std::jthread delivery_thread;
};

}  // namespace penstock::topology
