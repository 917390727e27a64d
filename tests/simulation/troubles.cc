// What may happen in a run, step by step.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tests/simulation/simulation.h"

namespace penstock::simulation {
namespace {

using Verb = fakes::MemoryDisk::Verb;

}  // namespace

void Simulation::act() {
  const std::size_t drawn = chance_.below(100);
  if (drawn < 45) return act_on_ingest();
  if (drawn < 65) {
    for (std::size_t tasks = 1 + chance_.below(12); tasks > 0 && world_.executor.run_one(); --tasks) {}
    return;
  }
  if (drawn < 77) {
    world_.receivers[chance_.below(world_.receivers.size())]->answer_one();
    return;
  }
  if (drawn < 85)
    return world_.clock.advance(Duration{chance_.one_in(6) ? chance_.between(0, 3000) : chance_.between(0, 150)});
  if (drawn < 88) return process_->wake();
  if (drawn < 94) return make_trouble();
  if (drawn < 97) return steer();
  look_after_logs();
}

void Simulation::act_on_ingest() {
  Client& client = *world_.clients[chance_.below(world_.clients.size())];
  switch (chance_.below(5)) {
    case 0:
      if (chance_.one_in(10)) client.lose_patience();
      client.act(process_->intake());
      return;
    case 1: process_->write(LogName::captured); return;
    case 2: process_->write(LogName::events); return;
    case 3:
      if (world_.feed && chance_.one_in(4)) return grow_feed();
      break;
    default: break;
  }
  const auto stepped = process_->step_ingest(chance_.below(process_->workers()));
  if (stepped) return;
  trace_.say("ingest stops: {}", stepped.error().message);
  kill();
}

void Simulation::make_trouble() {
  switch (chance_.below(7)) {
    case 0:
    case 6: return trouble_disk();
    case 5:
      if (world_.feed) world_.feed->fail(chance_.between(1, 3));
      return;
    case 1: {
      const bool refused = chance_.one_in(2);
      trace_.say("derived state {} commits", refused ? "refuses" : "takes");
      return world_.state.refuse(refused);
    }
    case 2:
      if (process_->gate().is_closed()) process_->gate().open();
      else if (chance_.one_in(2)) process_->gate().close("no room");
      return;
    default: return trouble_receiver();
  }
}

void Simulation::trouble_disk() {
  constexpr std::array kWhere{"", "captured", "events"};
  const std::string where = kWhere[chance_.below(kWhere.size())];
  const int skip = chance_.between(0, 2);
  const int times = chance_.between(1, 3);
  struct Trouble {
    Verb verb;
    int error;
    const char* name;
  };
  constexpr std::array kTroubles{Trouble{Verb::append, ENOSPC, "append"},
                                 Trouble{Verb::append, ENOSPC, "append"},
                                 Trouble{Verb::append, ENOSPC, "append"},
                                 Trouble{Verb::open_append, ENOSPC, "open"},
                                 Trouble{Verb::sync, EIO, "sync"},
                                 Trouble{Verb::truncate, EIO, "truncate"},
                                 Trouble{Verb::read, EIO, "read"},
                                 Trouble{Verb::sync_directory, EIO, "sync of a folder"},
                                 Trouble{Verb::write_atomically, EIO, "write of an index"},
                                 Trouble{Verb::open_read, EIO, "open to read"},
                                 Trouble{Verb::exists, EIO, "look"},
                                 Trouble{Verb::remove, EIO, "remove"}};
  const auto [verb, error, name] = kTroubles[chance_.below(kTroubles.size())];
  trace_.say("disk: {} will fail {} times{}{}", name, times, where.empty() ? "" : " in ", where);
  world_.disk->fail(verb, error, skip, times, where);
}

void Simulation::trouble_receiver() {
  Receiver& receiver = *world_.receivers[chance_.below(world_.receivers.size())];
  switch (chance_.below(4)) {
    case 0: return receiver.begin_outage();
    case 1: return receiver.end_outage();
    case 2: return receiver.freeze();
    default: return receiver.thaw();
  }
}

void Simulation::steer() {
  const std::size_t index = chance_.below(world_.receivers.size());
  const std::string& name = world_.receivers[index]->name();
  delivery::DestinationRunner& runner = process_->runner(index);
  switch (chance_.below(9)) {
    case 6: return cancel_replay(index);
    case 7: return change_rate(index);
    case 8: return discard_letters(index);
    case 0:
      trace_.say("{}: is paused", name);
      world_.paused.insert(name);
      return runner.pause("for a while");
    case 1:
    case 2: world_.paused.erase(name); return runner.resume();
    case 3: return order_replay(index);
    case 4: {
      const auto wanted = world_.store.want_again(dead::Filter{.stage = name, .code = {}, .since = {}});
      trace_.say("{}: {} dead letters are wanted again", name, wanted.value_or(0));
      note_medium();
      return runner.send_again();
    }
    default:
      restarted_ = true;
      if (const auto again = process_->restart_destination(index); !again) {
        trace_.say("{}: does not start: {}", name, again.error().message);
        kill();
      }
  }
}

// As a person would; the order is on the medium before the destination hears of it.
void Simulation::order_replay(std::size_t destination) {
  const std::string& name = world_.receivers[destination]->name();
  const auto running = world_.store.replay(name);
  if (!running || *running) return;
  delivery::ReplayOrder order;
  order.next = process_->log().begin(LogName::events);
  order.to = process_->log().end(LogName::events);
  for (std::size_t p = 0; p < order.to.size(); ++p) {
    if (chance_.one_in(2)) order.next[p] += chance_.below(order.to[p] - order.next[p] + 1);
    if (chance_.one_in(3)) order.rate = chance_.between(5, 50);
  }
  order.total = order.left();
  trace_.say("{}: a replay of {} events is ordered", name, order.total);
  if (const auto saved = world_.store.save_replay(name, order, delivery::Sync::yes); !saved)
    return trace_.wrong("{}: {}", name, saved.error().message);
  replays_.push_back({destination, order.next, order.to, world_.receivers[destination]->taken().size()});
  note_medium();
  process_->runner(destination).replay(order, {});
}

// Another may be ordered at once.
void Simulation::cancel_replay(std::size_t destination) {
  const std::string& name = world_.receivers[destination]->name();
  const auto running = world_.store.replay(name);
  if (!running || !*running) return;
  trace_.say("{}: its replay is cancelled", name);
  std::erase_if(replays_,
                [&](const OrderedReplay& each) { return each.destination == destination && each.to == (*running)->to; });
  if (const auto saved = world_.store.save_replay(name, std::nullopt, delivery::Sync::yes); !saved)
    return trace_.wrong("{}: {}", name, saved.error().message);
  note_medium();
  process_->runner(destination).end_replay();
}

void Simulation::change_rate(std::size_t destination) {
  std::optional<delivery::RateSettings> rate;
  if (chance_.one_in(2)) rate = {.events = chance_.between(0, 40), .bytes = {}};
  if (rate && chance_.one_in(2)) rate->bytes = Bytes{static_cast<std::uint64_t>(chance_.between(1000, 20'000))};
  trace_.say("{}: its rate is {} events, {} bytes a second", world_.receivers[destination]->name(), rate ? rate->events : -1,
             rate ? rate->bytes.count : 0);
  process_->runner(destination).set_rate(rate);
}

// Some of them, whatever becomes of them at this moment.
void Simulation::discard_letters(std::size_t destination) {
  const std::string& name = world_.receivers[destination]->name();
  const auto letters = world_.store.dead_letters().list({.stage = name, .code = {}, .since = {}},
                                                        {.limit = 100'000, .after = {}, .order = dead::Order::oldest_first});
  if (!letters) return trace_.wrong("{}: {}", name, letters.error().message);
  std::vector<std::string> ids;
  for (const auto& each : *letters) {
    if (!chance_.one_in(3)) continue;
    ids.push_back(each.id);
    excused_[destination].insert(each.letter.uuid);
  }
  trace_.say("{}: {} of {} dead letters are discarded", name, ids.size(), letters->size());
  if (const auto discarded = world_.store.discard(ids); !discarded)
    return trace_.wrong("{}: {}", name, discarded.error().message);
  note_medium();
  process_->runner(destination).letters_discarded();
}

void Simulation::look_after_logs() {
  if (chance_.one_in(2)) {
    if (!world_.state.behind()) world_.state.flush();
    note_medium();
    if (chance_.one_in(2)) return;
  }
  if (!ledger_.read(process_->log())) return;  // not now: the disk does not read
  std::vector<Offsets> cursors;
  for (const auto& receiver : world_.receivers) {
    const auto cursor = world_.store.cursor(receiver->name()).value();
    cursors.push_back(cursor ? cursor->next : Offsets(process_->log().begin(LogName::events).size(), 0));
  }
  if (const auto trimmed = process_->trim(needed_by_clients()); !trimmed)
    trace_.say("retention: {}", trimmed.error().message);
  for (std::size_t i = 0; i < cursors.size(); ++i) {
    if (!world_.settings.destinations[i].settings.hold)
      note_overtaken(cursors[i], process_->log().begin(LogName::events), i);
  }
  trace_.say("retention: `events` begins at {}", fmt::join(process_->log().begin(LogName::events), " "));
}

void Simulation::note_overtaken(const Offsets& cursor, const Offsets& begin, std::size_t destination) {
  std::size_t count = 0;
  for (const auto& event : ledger_.events()) {
    const bool gone = event.offset >= cursor[event.partition] && event.offset < begin[event.partition];
    if (gone && excused_[destination].insert(event.uuid).second) ++count;
  }
  if (count > 0) trace_.say("{}: {} events are gone that it may not have", world_.receivers[destination]->name(), count);
}

// De-duplication goes back as far as the log does: what a client may still repeat must be kept, and what it may have repeated
// already, while that waits in `captured`.
Offsets Simulation::needed_by_clients() const {
  if (process_->captured_waits()) return process_->log().begin(LogName::events);
  Offsets needed = process_->log().end(LogName::events);
  for (const auto& client : world_.clients) {
    const Request* request = client->unanswered();
    if (request == nullptr) continue;
    for (const auto& event : *request) {
      for (const Uuid& uuid : event.outputs()) {
        const auto* committed = ledger_.find(uuid);
        if (committed != nullptr) needed[committed->partition] = std::min(needed[committed->partition], committed->offset);
      }
    }
  }
  return needed;
}

void Simulation::check_bounds() {
  for (std::size_t i = 0; i < world_.receivers.size(); ++i) {
    const std::size_t open = world_.receivers[i]->open_events();
    const std::size_t most = world_.settings.destinations[i].open_events_max() + doomed_[i];
    if (open > most) trace_.wrong("{}: {} events are open, and {} may be", world_.receivers[i]->name(), open, most);
  }
}

}  // namespace penstock::simulation
