#include "tests/simulation/oracle.h"

#include <algorithm>
#include <map>
#include <set>

#include "pipeline/delivery/dead_keys.h"
#include "pipeline/event/event_filter.h"
#include "tests/simulation/content_chain.h"

namespace penstock::simulation {
namespace {

std::string short_name(const Uuid& uuid) { return uuid.to_string().substr(0, 8); }

// From the clients to `events`: exactly once, in each distinct id's order, and nothing else.
class IngestOracle {
 public:
  IngestOracle(World& world, const Ledger& ledger) : world_(world), ledger_(ledger) {
    for (const auto& client : world_.clients)
      for (const auto& event : client->acknowledged()) sent_.push_back(&event);
    if (world.feed) {
      for (const auto& lines : world.feed->lines())
        for (const auto& event : lines) fed_.push_back(&event);
    }
    for (const auto& [id, letter] : world_.state.dead_letters()) dead_[letter.uuid].push_back(&letter);
  }

  void check() {
    for (const auto* events : {&sent_, &fed_})
      for (const SentEvent* event : *events) check_event(*event);
    for (const Committed& event : ledger_.events())
      if (!expected_.contains(event.uuid))
        world_.trace.wrong("{} is in `events`, but nobody sent it", short_name(event.uuid));
    check_order();
    check_counts(sent_, kCountTable);
    check_counts(fed_, std::string(kCountTable) + "@" + kFeedName);  // its rows are its own
  }

 private:
  void check_event(const SentEvent& event) {
    for (const Uuid& uuid : event.outputs()) {
      expected_[uuid] = &event;
      if (const auto times = ledger_.count(uuid); times != 1)
        world_.trace.wrong("{} ({}) was accepted and is {} times in `events`", short_name(uuid), event.name, times);
    }
    const auto letters = dead_.find(event.uuid);
    const bool is_dead = letters != dead_.end();
    if (event.kind == Kind::failed) {
      if (!is_dead) world_.trace.wrong("{} failed in the chain and has no dead letter", short_name(event.uuid));
    } else if (is_dead) {
      world_.trace.wrong("{} ({}) has a dead letter of ingest: {}", short_name(event.uuid), event.name,
                         letters->second.front()->reason);
    }
    if (event.kind == Kind::invalid && !has_letter_with(event.body))
      world_.trace.wrong("an invalid element ({}) was refused and has no dead letter", event.sequence);
  }

  bool has_letter_with(const std::string& body) const {
    return std::ranges::any_of(world_.state.dead_letters(),
                               [&](const auto& entry) { return entry.second.body == body && !entry.second.reason.empty(); });
  }

  void check_order() {
    std::map<std::string, int> newest;
    for (const Committed& event : ledger_.events()) {
      const auto sent = expected_.find(event.uuid);
      if (sent == expected_.end()) continue;
      int& sequence = newest[event.distinct_id];
      if (sent->second->sequence < sequence)
        world_.trace.wrong("{} of {} is number {} and stands in `events` after number {}", short_name(event.uuid),
                           event.distinct_id, sent->second->sequence, sequence);
      sequence = std::max(sequence, sent->second->sequence);
    }
  }

  // State holds what the commits in the log say.
  void check_counts(const std::vector<const SentEvent*>& events, const std::string& table) {
    std::map<std::string, int> counts;
    for (const SentEvent* event : events)
      if (event->kind == Kind::kept) ++counts[event->distinct_id];
    for (const auto& [id, count] : counts) {
      const auto row = world_.state.get(table, id, world_.clock.now());
      const std::string value = row && *row ? (*row)->value : "nothing";
      if (value != std::to_string(count))
        world_.trace.wrong("state counts {} events of {}, and there are {}", value, id, count);
    }
  }

  World& world_;
  const Ledger& ledger_;
  std::vector<const SentEvent*> sent_;
  std::vector<const SentEvent*> fed_;  // what the polled source had
  std::map<Uuid, std::vector<const DeadLetter*>> dead_;
  std::map<Uuid, const SentEvent*> expected_;
};

// From `events` to one destination: at least once, or one dead letter with a reason.
class DeliveryOracle {
 public:
  DeliveryOracle(World& world, const Ending& ending, std::size_t index)
      : world_(world), ending_(ending), index_(index), receiver_(*world.receivers[index]),
        settings_(world.settings.destinations[index].settings), filter_(settings_.events) {
    for (const auto& event : ending_.ledger.events()) committed_.insert(event.uuid);
    for (std::size_t i = 0; i < receiver_.taken().size(); ++i) {
      const auto& taken = receiver_.taken()[i];
      (taken.replayed ? replayed_ : live_)[taken.uuid].push_back(i);
    }
    const auto letters =
        world_.store.dead_letters().list({.stage = receiver_.name(), .code = {}, .since = {}},
                                         {.limit = 100'000, .after = {}, .order = dead::Order::oldest_first});
    if (!letters) world_.trace.wrong("dead letters cannot be read: {}", letters.error().message);
    for (const auto& each : letters.value_or(std::vector<dead::Listed>{})) dead_[each.letter.uuid].push_back(each.letter);
  }

  void check() {
    for (const auto& event : ending_.ledger.events()) check_event(event);
    for (const auto& taken : receiver_.taken())
      if (!committed_.contains(taken.uuid)) wrong(taken.uuid, "was delivered and is not in `events`");
    for (const auto& [uuid, letters] : dead_) {
      if (!committed_.contains(uuid)) wrong(uuid, "is a dead letter and was never in `events`");
      if (letters.front().reason.empty()) wrong(uuid, "has a dead letter without a reason");
      const Committed* event = ending_.ledger.find(uuid);
      if (event != nullptr && letters.front().body != event->body) wrong(uuid, "has a dead letter that is not the event");
    }
    if (settings_.order == delivery::Order::key) check_order();
    if (settings_.on_dead == delivery::OnDead::block) check_blocked();
    for (const auto& replay : ending_.replays)
      if (replay.destination == index_) check_replay(replay);
    const auto cursor = world_.store.cursor(receiver_.name());
    if (!cursor || !*cursor || (*cursor)->next != ending_.end)
      world_.trace.wrong("{}: its cursor is not at the end", receiver_.name());
  }

 private:
  void wrong(const Uuid& uuid, std::string_view what) {
    world_.trace.wrong("{}: {} {}", receiver_.name(), short_name(uuid), what);
  }
  // Read again after a crash that forgot the cursor, it may have died or arrived once more, later than others.
  bool excused(const Uuid& uuid) const { return ending_.excused[index_].contains(uuid); }
  std::size_t deaths(const Uuid& uuid) const {
    const auto found = dead_.find(uuid);
    return found == dead_.end() ? 0 : found->second.size();
  }
  std::size_t deliveries(const Uuid& uuid) const {
    const auto found = live_.find(uuid);
    return found == live_.end() ? 0 : found->second.size();
  }

  bool excluded(const Committed& event) const {
    return !filter_.takes(event.name) || fate_at(event.body, receiver_.name()) == Fate::unwanted ||
           app_at(event.body, receiver_.name()) == AppDoes::drops;
  }
  bool app_fails(const Committed& event) const { return app_at(event.body, receiver_.name()) == AppDoes::fails; }

  void check_event(const Committed& event) {
    const std::size_t delivered = deliveries(event.uuid);
    const std::size_t dead = deaths(event.uuid);
    if (excluded(event)) {
      if (delivered + dead + replayed_.count(event.uuid) > 0)
        wrong(event.uuid, "does not pass the filter or the app, and came through");
      return;
    }
    if (app_fails(event)) return check_hopeless(event, delivered, dead);
    switch (fate_at(event.body, receiver_.name())) {
      case Fate::rejected:
      case Fate::poison:
      case Fate::when_fails: return check_hopeless(event, delivered, dead);
      case Fate::busy:
        if (delivered + dead == 0 && !excused(event.uuid)) wrong(event.uuid, "is lost");
        if (dead > 1) wrong(event.uuid, "has several dead letters");
        break;
      default:
        if (delivered + dead == 0 && !excused(event.uuid)) wrong(event.uuid, "is lost");
        if (dead > 0 && !waits_behind(event.uuid))
          wrong(event.uuid, "is a dead letter though only the receiver was at fault: " + reason_of(event.uuid));
    }
    if (!ending_.restarted && delivered + dead > 1)
      wrong(event.uuid, fmt::format("came to {} ends without any restart", delivered + dead));
  }

  void check_hopeless(const Committed& event, std::size_t delivered, std::size_t dead) {
    if (dead != 1 && !(dead == 0 && excused(event.uuid)))
      wrong(event.uuid, fmt::format("can never be delivered and has {} dead letters", dead));
    if (delivered > 0) wrong(event.uuid, "can never be delivered and was");
  }

  std::string reason_of(const Uuid& uuid) const { return dead_.at(uuid).front().reason; }

  // First deliveries, but for those of events that were dead for a while.
  void check_order() {
    std::map<std::string, std::pair<std::size_t, Uuid>> last;
    for (const auto& event : ending_.ledger.events()) {
      const auto taken = live_.find(event.uuid);
      if (taken == live_.end() || fate_at(event.body, receiver_.name()) != Fate::fine) continue;
      if (excused(event.uuid)) continue;
      const std::size_t first = taken->second.front();
      const auto [before, is_first] = last.try_emplace(event.distinct_id, first, event.uuid);
      if (!is_first && first < before->second.first)
        wrong(event.uuid, fmt::format("of {} came before {}, which stands before it in `events`", event.distinct_id,
                                      short_name(before->second.second)));
      before->second = {std::max(first, before->second.first), event.uuid};
    }
  }

  bool waits_behind(const Uuid& uuid) const {
    const auto found = dead_.find(uuid);
    return found != dead_.end() && found->second.front().code == delivery::kBehindDead;
  }

  // Behind a dead letter nothing of its distinct id was delivered, and what waits has one before it.
  void check_blocked() {
    std::map<std::string, Uuid> dead;  // the first of each distinct id
    std::set<std::string> open;  // of distinct ids: whether something blocks is not known after a discarded one
    for (const auto& event : ending_.ledger.events()) {
      if (excused(event.uuid)) open.insert(event.distinct_id);
      if (open.contains(event.distinct_id)) continue;
      const auto before = dead.find(event.distinct_id);
      if (before != dead.end() && deliveries(event.uuid) > 0)
        wrong(event.uuid, fmt::format("of {} was delivered, and {}, which is before it, is dead", event.distinct_id,
                                      short_name(before->second)));
      if (before == dead.end() && waits_behind(event.uuid))
        wrong(event.uuid, "waits behind a dead letter that is not there");
      if (deaths(event.uuid) > 0) dead.try_emplace(event.distinct_id, event.uuid);
    }
  }

  void check_replay(const OrderedReplay& replay) {
    for (const auto& event : ending_.ledger.events()) {
      const bool inside = event.offset >= replay.from[event.partition] && event.offset < replay.to[event.partition] &&
                          event.offset >= ending_.begin[event.partition];
      if (!inside || excluded(event) || app_fails(event) || fate_at(event.body, receiver_.name()) != Fate::fine) continue;
      const auto found = replayed_.find(event.uuid);
      if (found == replayed_.end() || found->second.back() < replay.taken_before)
        wrong(event.uuid, "was to be replayed and was not");
    }
  }

  World& world_;
  const Ending& ending_;
  const std::size_t index_;
  const Receiver& receiver_;
  const delivery::DestinationSettings& settings_;
  const EventFilter filter_;
  std::set<Uuid> committed_;
  std::map<Uuid, std::vector<std::size_t>> live_;  // places among what the receiver took
  std::map<Uuid, std::vector<std::size_t>> replayed_;
  std::map<Uuid, std::vector<DeadLetter>> dead_;
};

}  // namespace

void check_promises(World& world, const Ending& ending) {
  IngestOracle(world, ending.ledger).check();
  for (std::size_t i = 0; i < world.receivers.size(); ++i) DeliveryOracle(world, ending, i).check();
}

}  // namespace penstock::simulation
