#include "pipeline/topology/dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "connectors/logs/local/local_log.h"
#include "pipeline/ingest/refusal.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::topology {
namespace {

// Every destination that ever started has a cursor.
Result<void> check_stage(const delivery::DeliveryStore& store, const std::string& stage) {
  if (stage.empty() || stage == ingest::kIngestStage) return {};
  TRY_ASSIGN(const auto cursors, store.cursors());
  std::string names = fmt::format("'{}'", ingest::kIngestStage);
  for (const auto& cursor : cursors) {
    if (cursor.destination == stage) return {};
    names += fmt::format(", '{}'", cursor.destination);
  }
  return fail(ErrorKind::invalid, fmt::format("there is no stage '{}'; there are: {}", stage, names));
}

}  // namespace

Result<std::vector<dead::Listed>> list_dead(const DerivedState& state, const delivery::DeliveryStore& store,
                                            const dead::Filter& filter, const dead::Page& page) {
  std::vector<dead::Listed> all;
  if (filter.stage.empty() || filter.stage == ingest::kIngestStage) {
    TRY_ASSIGN(all, state.dead_letters().list(filter, page));
  }
  if (filter.stage != ingest::kIngestStage) {
    TRY_ASSIGN(auto others, store.dead_letters().list(filter, page));
    std::ranges::move(others, std::back_inserter(all));
  }
  // Those of a destination that was removed are still there to be listed.
  if (all.empty()) TRY(check_stage(store, filter.stage));
  const bool newest_first = page.order == dead::Order::newest_first;
  std::ranges::sort(all, [&](const auto& a, const auto& b) { return newest_first ? a.id > b.id : a.id < b.id; });
  if (all.size() > page.limit) all.resize(page.limit);
  return all;
}

Result<DeadLetter> find_dead(const DerivedState& state, const delivery::DeliveryStore& store, const std::string& id) {
  auto found = store.dead_letters().get(id);
  if (found || found.error().kind != ErrorKind::not_found) return found;
  return state.dead_letters().get(id);
}

Result<StoppedPipeline> StoppedPipeline::open(const std::string& data) {
  StoppedPipeline opened;
  TRY_ASSIGN(opened.log_, logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock()));
  TRY_ASSIGN(opened.state_, DerivedState::open({data + "/state", data + "/checkpoints"}, *opened.log_));
  TRY_ASSIGN(opened.store_, delivery::DeliveryStore::open(data + "/delivery", system_clock()));
  return opened;
}

}  // namespace penstock::topology
