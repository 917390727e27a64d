// What a reload replaces while a pipeline runs: destinations, and chains of apps.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/scripting/package/app_files.h"
#include "pipeline/topology/pipeline_impl.h"

namespace penstock::topology {
namespace {

std::string join(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

// What a reload would have to change but cannot.
std::vector<std::string> changed_fixed_parts(const PipelinePlan& now, const PipelinePlan& next) {
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < now.fixed_parts.size(); ++i) {
    if (now.fixed_parts[i] != next.fixed_parts[i]) changed.push_back(now.fixed_parts[i].first);
  }
  return changed;
}

Chains chains_of(const std::vector<PlannedDestination>& destinations) {
  Chains chains;
  for (const auto& destination : destinations) chains.push_back(destination.chain);
  return chains;
}

}  // namespace

Chains Pipeline::Impl::running_chains() const {
  const std::lock_guard lock(mutex);
  Chains chains = chains_of(planned_destinations);
  chains.push_back(chain_plan);
  return chains;
}

bool Pipeline::Impl::was_stopped(const std::string& name) const {
  const std::lock_guard lock(mutex);
  return not_started.contains(name);
}

// New ones and those whose settings differ, built but not started.
Result<std::vector<PreparedDestination>> Pipeline::Impl::prepare_changed(const std::vector<PlannedDestination>& next,
                                                                         ReloadReport& report) {
  struct Version {
    std::uint64_t fingerprint = 0;
    std::uint64_t chain_version = 0;
  };
  std::map<std::string, Version> now;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [name, running] : destinations) now[name] = {running->fingerprint, running->chain_version};
  }
  // Building one may read files and compile, so it is done without the lock; only a reload changes which there are.
  std::vector<PreparedDestination> prepared;
  for (const auto& each : next) {
    const std::string& name = each.settings.name;
    const auto found = now.find(name);
    if (found == now.end() && parts.group_log() != nullptr && delivered_shards.empty())
      continue;  // it starts when shards come
    const bool same_settings = found != now.end() && found->second.fingerprint == each.fingerprint;
    if (same_settings && found->second.chain_version == each.chain_version()) continue;
    TRY_ASSIGN(auto made, parts.prepare(each));
    prepared.push_back(std::move(made));
    const auto* what = same_settings        ? "restarted, its apps changed"
                       : found != now.end() ? "restarted, its settings changed"
                       : was_stopped(name)  ? "started, it was stopped"
                                            : "added";
    report.changes.push_back(fmt::format("destination {}: {}", name, what));
  }
  return prepared;
}

// Those that are no longer wanted, and those that `prepared` replaces.
std::vector<std::unique_ptr<RunningDestination>> Pipeline::Impl::take_leaving(
    const std::vector<PlannedDestination>& next, const std::vector<PreparedDestination>& prepared, ReloadReport& report) {
  std::vector<std::unique_ptr<RunningDestination>> leaving;
  const std::lock_guard lock(mutex);
  destinations_wanted = next.size();
  parts.chunk_memory.share_among(destinations_wanted);
  for (auto it = destinations.begin(); it != destinations.end();) {
    const std::string& name = it->first;
    const bool gone = std::ranges::none_of(next, [&](const auto& d) { return d.settings.name == name; });
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
    if (auto started = start_one(std::move(made)); !started) {
      const std::lock_guard lock(mutex);
      not_started[name] = started.error().message + "; `penstock reload` tries again";
      if (all) all = fail(std::move(started).error().context("it is stopped until the next reload"));
    }
  }
  return all;
}

// First everything that may fail for its settings' sake.
Result<Pipeline::Impl::Change> Pipeline::Impl::prepare(std::vector<PlannedDestination> next,
                                                       std::shared_ptr<const scripting::ChainPlan> chain,
                                                       ReloadReport& report) {
  Chains next_chains = chains_of(next);
  next_chains.push_back(chain);
  TRY(check_cases(running_chains(), next_chains));
  Change change{.destinations = std::move(next), .prepared = {}, .chain_plan = std::move(chain), .chains = {}};
  if (change.chain_plan->version != chain_set) {
    TRY_ASSIGN(change.chains, parts.build_chains(change.chain_plan));
  }
  TRY_ASSIGN(change.prepared, prepare_changed(change.destinations, report));
  return change;
}

// Then the change itself.
Result<void> Pipeline::Impl::apply(Change change, ReloadReport& report) {
  {
    // Before any of them is stopped, so that retention goes on holding for those that are restarted.
    const std::lock_guard lock(mutex);
    planned_destinations = change.destinations;
    for (const auto& made : change.prepared) not_started.erase(made.name);
    std::erase_if(not_started, [&](const auto& entry) {
      return std::ranges::none_of(planned_destinations, [&](const auto& d) { return d.settings.name == entry.first; });
    });
  }
  std::erase_if(taken, [&](const auto& entry) {
    return std::ranges::none_of(change.destinations, [&](const auto& d) { return d.settings.name == entry.first; });
  });
  stop_destinations(take_leaving(change.destinations, change.prepared, report));
  auto started = start_prepared(std::move(change.prepared));
  chain_plan = std::move(change.chain_plan);
  if (!change.chains.empty()) {
    chain_set = chain_plan->version;
    report.changes.push_back(fmt::format("apps: the chain is now {:016x}", chain_set));
    ingest.set_chains(chain_plan, std::move(change.chains));
  }
  return started;
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
  ReloadReport report;
  TRY_ASSIGN(auto change, impl.prepare(std::move(next.destinations), next.chain, report));
  const auto applied = impl.apply(std::move(change), report);
  const std::lock_guard lock(impl.mutex);
  impl.app_entries = std::move(next.app_entries);
  impl.apps_refused.clear();
  if (!applied) return fail(applied.error());
  return report;
}

Result<ReloadReport> Pipeline::Impl::take_apps() {
  std::vector<scripting::AppEntry> entries;
  std::vector<PlannedDestination> next;
  {
    const std::lock_guard lock(mutex);
    entries = app_entries;
    next = planned_destinations;
  }
  config::Problems problems;
  auto chain = scripting::plan_chain(entries, problems);
  for (auto& destination : next)
    if (destination.chain) destination.chain = plan_destination_chain(destination.app_entries, problems);
  if (!problems.empty()) return fail(ErrorKind::invalid, problems.front().to_string());
  ReloadReport report;
  TRY_ASSIGN(auto change, prepare(std::move(next), std::move(chain), report));
  TRY(apply(std::move(change), report));
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
  const auto add = [&](const std::vector<scripting::AppEntry>& entries) {
    for (const auto& entry : entries)
      if (!scripting::is_bundled(entry.folder) && std::ranges::find(folders, entry.folder) == folders.end())
        folders.push_back(entry.folder);
  };
  add(impl_->app_entries);
  for (const auto& destination : impl_->planned_destinations) add(destination.app_entries);
  return folders;
}

}  // namespace penstock::topology
