#include "pipeline/topology/dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "connectors/logs/local/local_log.h"
#include "pipeline/ingest/refusal.h"
#include "pipeline/ports/posix_disk.h"

namespace penstock::topology {
namespace {

constexpr std::size_t kPage = 500;

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

Result<std::vector<dead::Listed>> list_dead(const States::All& states, const delivery::DeliveryStore& store,
                                            const dead::Filter& filter, const dead::Page& page) {
  std::vector<dead::Listed> all;
  std::vector<dead::Listed> others;
  if (filter.stage.empty() || filter.stage == ingest::kIngestStage) {
    for (const auto& state : states) {
      TRY_ASSIGN(auto of_shard, state->dead_letters().list(filter, page));
      std::ranges::move(of_shard, std::back_inserter(all));
    }
  }
  if (filter.stage != ingest::kIngestStage) {
    TRY_ASSIGN(others, store.dead_letters().list(filter, page));
  }
  const bool newest_first = page.order == dead::Order::newest_first;
  const auto comes_later = [&](const dead::Listed& each, const std::string& end) {
    return newest_first ? each.id < end : each.id > end;
  };
  // Behind the end of one that was cut short there may be letters that it has no room for.
  const auto end_of = [&](const std::vector<dead::Listed>& list) {
    return dead::fills(list, page) ? std::optional(list.back().id) : std::nullopt;
  };
  const auto end_of_all = end_of(all);
  const auto end_of_others = end_of(others);
  std::ranges::move(others, std::back_inserter(all));
  for (const auto& end : {end_of_all, end_of_others})
    if (end) std::erase_if(all, [&](const auto& each) { return comes_later(each, *end); });
  // Those of a destination that was removed are still there to be listed.
  if (all.empty()) TRY(check_stage(store, filter.stage));
  std::ranges::sort(all, [&](const auto& a, const auto& b) { return newest_first ? a.id > b.id : a.id < b.id; });
  if (all.size() > page.limit) all.resize(page.limit);
  return all;
}

Result<DeadLetter> find_dead(const States::All& states, const delivery::DeliveryStore& store, const std::string& id) {
  auto found = store.dead_letters().get(id);
  for (auto state = states.begin(); state != states.end() && !found && found.error().kind == ErrorKind::not_found; ++state)
    found = (*state)->dead_letters().get(id);
  return found;
}

namespace {

Result<std::uint64_t> for_each_of(const std::vector<std::string>& ids, const DeadLetterShelf& shelf, const PageAct& act) {
  const dead::Page page{.limit = kPage, .after = {}};
  std::vector<dead::Listed> letters;
  std::uint64_t count = 0;
  for (const auto& id : ids) {
    TRY_ASSIGN(auto letter, shelf.find(id));
    const std::uint64_t bytes = letter.body.size();
    letters.push_back({id, std::move(letter), bytes});
    if (&id != &ids.back() && !dead::fills(letters, page)) continue;
    TRY_ASSIGN(const std::uint64_t done, act(letters));
    count += done;
    letters.clear();
  }
  return count;
}

}  // namespace

Result<std::uint64_t> for_each_page(const DeadLetterShelf& shelf, const DeadLetterChoice& choice, const PageAct& act) {
  if (!choice.ids.empty()) {
    // One that is not there is told before any is touched.
    for (const auto& id : choice.ids) TRY(shelf.find(id));
    return for_each_of(choice.ids, shelf, act);
  }
  // What dies again while this goes on comes after it, and would be met for ever.
  TRY_ASSIGN(const auto newest, shelf.list(choice.filter, {.limit = 1, .after = {}, .order = dead::Order::newest_first}));
  if (newest.empty()) return 0;
  const std::string& last = newest.front().id;
  std::uint64_t count = 0;
  dead::Page page{.limit = kPage, .after = {}, .order = dead::Order::oldest_first};
  while (page.after < last) {
    TRY_ASSIGN(auto letters, shelf.list(choice.filter, page));
    std::erase_if(letters, [&](const auto& each) { return each.id > last; });
    if (letters.empty()) break;
    page.after = letters.back().id;
    TRY_ASSIGN(const std::uint64_t done, act(letters));
    count += done;
  }
  return count;
}

Result<StoppedPipeline> StoppedPipeline::open(const std::string& data) {
  StoppedPipeline opened;
  TRY_ASSIGN(opened.log_, logs::local::LocalLog::open_stopped(data, posix_disk(), system_clock()));
  TRY_ASSIGN(opened.state_, DerivedState::open({data + "/state", data + "/checkpoints"}, *opened.log_));
  TRY_ASSIGN(opened.store_, delivery::DeliveryStore::open(data + "/delivery", system_clock()));
  return opened;
}

}  // namespace penstock::topology
