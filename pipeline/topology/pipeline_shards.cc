// Delivery where processes share the work: each destination here has the partitions of `events` whose shards are here. When shards come
// or go, destinations are started anew: what they have settled is committed for their groups before others get it, and what comes
// is gone on with from there. What they were trying again is not settled, so whoever gets it reads it again.
//
// All members of the group wait for one that gives shards away, so on its thread destinations are only stopped; a thread of
// their own starts them again, for as long as it takes.
#include <fmt/format.h>

#include <algorithm>

#include "connectors/logs/kafka/group_offsets.h"
#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/kafka/group_commit.h"
#include "pipeline/topology/pipeline_impl.h"

namespace penstock::topology {

using penstock::kafka::kNoOffset;

namespace {

constexpr Duration kHandOverWithin{5'000};
// Shards come and go one after another.
constexpr std::chrono::milliseconds kSettle{100};
constexpr std::chrono::seconds kBetweenTries{1};

}  // namespace

void Pipeline::Impl::deliver(const std::set<int>& shards, bool lost) {
  {
    const std::lock_guard lock(wanted_mutex);
    wanted_shards = shards;
    ++wanted_version;
  }
  wanted_changed.notify_all();
  const std::lock_guard one(changing);
  if (!std::ranges::includes(shards, delivered_shards)) stop_delivering(lost ? Duration(0) : kHandOverWithin, !lost);
  for (auto& [name, of_folder] : taken) std::erase_if(of_folder, [&](int shard) { return !shards.contains(shard); });
}

void Pipeline::Impl::run_delivery(const std::stop_token& stop) {
  name_this_thread("shards");
  std::string told;
  std::unique_lock lock(wanted_mutex);
  while (!stop.stop_requested()) {
    wanted_changed.wait_for(lock, stop, kSettle, [] { return false; });
    const auto wanted = wanted_version;
    lock.unlock();
    const auto done = stop.stop_requested() ? Result<void>() : deliver_anew(wanted);
    lock.lock();
    const auto moved = [&] { return wanted_version != wanted; };
    if (done) {
      wanted_changed.wait(lock, stop, moved);
      continue;
    }
    if (told != done.error().message)
      log_warning("delivery", "destinations of the shards that are here: {}; trying again", told = done.error().message);
    wanted_changed.wait_for(lock, stop, kBetweenTries, moved);
  }
}

Result<void> Pipeline::Impl::deliver_anew(std::uint64_t version) {
  const std::lock_guard one(changing);
  std::set<int> shards;
  {
    const std::lock_guard lock(wanted_mutex);
    if (stopped || version != wanted_version) return {};
    shards = wanted_shards;
  }
  if (shards != delivered_shards) {
    if (!delivered_shards.empty()) stop_delivering(kHandOverWithin, true);
    delivered_shards = shards;
    parts.set_share(std::make_shared<ShareOfEvents>(*parts.log, shards, parts.group_log()->shards()));
  }
  return shards.empty() ? Result<void>() : start_delivering();
}

// With what they had, and the groups as they leave it. Nothing is said for the groups of what others may have had for long.
void Pipeline::Impl::stop_delivering(Duration within, bool commit) {
  std::vector<std::unique_ptr<RunningDestination>> leaving;
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex);
    for (auto& [name, running] : destinations) {
      names.push_back(name);
      leaving.push_back(std::move(running));
    }
    destinations.clear();
    not_started.clear();
  }
  stop_destinations(std::move(leaving), within);
  for (const auto& name : names) {
    const auto cursor = commit ? parts.store().cursor(name) : std::nullopt;
    if (!cursor || !*cursor) continue;
    const auto done = logs::kafka::commit_cursor(parts.plan.settings.log.on_kafka(), name, parts.of_share((*cursor)->next));
    if (!done)
      log_warning("delivery", "destination {}: others begin again where its group stood before: {}", name,
                  done.error().message);
  }
  parts.set_share(nullptr);
  delivered_shards.clear();
}

// All that do not run yet. One that cannot be started keeps no other from it.
Result<void> Pipeline::Impl::start_delivering() {
  std::vector<PlannedDestination> planned;
  {
    const std::lock_guard lock(mutex);
    planned = planned_destinations;
    destinations_wanted = planned.size();
    std::erase_if(planned, [&](const auto& each) { return destinations.contains(each.settings.name); });
  }
  Result<void> all;
  for (const auto& each : planned) {
    const std::string& name = each.settings.name;
    auto prepared = parts.prepare(each);
    auto started = prepared ? start_one(*std::move(prepared)) : fail(std::move(prepared).error());
    const std::lock_guard lock(mutex);
    if (started) {
      not_started.erase(name);
      continue;
    }
    not_started[name] = started.error().message + "; trying again";
    all = fail(std::move(started).error());
  }
  return all;
}

Result<void> Pipeline::Impl::start_one(PreparedDestination prepared) {
  const std::string name = prepared.name;
  const bool shared = parts.group_log() != nullptr;
  if (shared) TRY(take_cursor(name, prepared.parts.settings.from));
  const std::lock_guard orders(parts.orders);
  TRY_ASSIGN(auto running, parts.start(std::move(prepared)));
  if (shared) taken[name] = delivered_shards;
  running->runner->wake();
  const std::lock_guard lock(mutex);
  destinations.emplace(name, std::move(running));
  return {};
}

// Where the partitions that are here are gone on with. Of a shard that this process has delivered until now its folder knows best;
// of one that comes, the group. What no group knows is new to the destination, and begins by its `from`: so does all of it at once, for
// whoever gets the rest later must not begin at another time. What is elsewhere is passed over, from the end on.
Result<void> Pipeline::Impl::take_cursor(const std::string& destination, const std::string& from) {
  auto& log = *parts.group_log();
  const auto& config = parts.plan.settings.log.on_kafka();
  TRY(log.look_at_ends());
  TRY_ASSIGN(const Offsets committed, logs::kafka::committed_cursor(config, destination, log.partitions()));
  TRY_ASSIGN(const auto stored, parts.store().cursor(destination));
  Offsets fresh;
  if (std::ranges::find(committed, kNoOffset) != committed.end()) {
    const auto is_it = [&](const auto& planned) { return planned.settings.name == destination; };
    const bool first = parts.log_was_empty() && std::ranges::any_of(parts.plan.destinations, is_it);
    TRY_ASSIGN(const auto moment, delivery::read_moment(first ? "earliest" : from, parts.clock.now()));
    TRY_ASSIGN(fresh, delivery::offsets_of(moment, log));
    Offsets unknown = fresh;
    for (std::size_t p = 0; p < unknown.size(); ++p)
      if (committed[p] != kNoOffset) unknown[p] = kNoOffset;
    TRY(logs::kafka::commit_cursor(config, destination, unknown));
  }
  Offsets cursor = log.end(LogName::events);
  for (std::size_t p = 0; p < cursor.size(); ++p) {
    const int shard = static_cast<int>(p) % log.shards();
    if (!delivered_shards.contains(shard)) continue;
    if (stored && taken[destination].contains(shard)) cursor[p] = stored->next.at(p);
    else cursor[p] = committed[p] == kNoOffset ? fresh[p] : committed[p];
  }
  return parts.store().save_cursor(destination, cursor, delivery::Sync::yes);
}

}  // namespace penstock::topology
