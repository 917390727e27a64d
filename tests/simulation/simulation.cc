#include "tests/simulation/simulation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "tests/simulation/oracle.h"

namespace penstock::simulation {
namespace {

constexpr std::size_t kStepsBetweenKills = 70;  // on average
constexpr int kStepsAtOnce = 100'000;  // more work than that without any time passing never ends
constexpr Duration kSettledWithin{900'000};
constexpr Duration kLongestStep{1000};
constexpr Duration kBetweenHealthyEvents{2000};

std::string to_text(const Offsets& offsets) { return fmt::format("{}", fmt::join(offsets, " ")); }

}  // namespace

Simulation::Simulation(std::uint64_t seed, delivery::DeliveryStore& store, Traced traced, Planted planted)
    : world_(seed, store, traced), chance_(world_.chance), trace_(world_.trace), excused_(world_.receivers.size()),
      planted_(planted), poisons_(world_.receivers.size()), doomed_(world_.receivers.size()),
      kills_left_(world_.settings.kills_max) {
  plan_requests();
}

std::vector<std::string> Simulation::run() {
  start();
  for (int step = 0; step < world_.settings.steps && trace_.found().empty(); ++step) {
    if (kills_left_ > 0 && chance_.one_in(kStepsBetweenKills)) {
      --kills_left_;
      kill();
    }
    act();
    if (const auto failure = process_->log().failure()) {
      trace_.say("the process must stop: {}", failure->message);
      kill();
    }
    check_bounds();
  }
  if (trace_.found().empty()) heal();
  if (trace_.found().empty()) settle();
  if (trace_.found().empty()) check_end();
  process_.reset();
  return trace_.found();
}

// What a fault at opening keeps down comes up when the disk is well.
void Simulation::start() {
  auto started = Process::start(world_);
  if (!started) {
    trace_.say("does not start: {}", started.error().message);
    if (started.error().kind == ErrorKind::corrupt) return trace_.wrong("{}", started.error().message);
    world_.disk->fail_no_more();
    if (world_.feed) world_.feed->heal();
    started = Process::start(world_);
  }
  if (!started) throw std::runtime_error("a process does not start on a healthy disk: " + started.error().message);
  process_ = *std::move(started);
  trace_.say("process {} starts with {} workers; `captured` ends at {}, `events` at {}", world_.started, process_->workers(),
             to_text(process_->log().end(LogName::captured)), to_text(process_->log().end(LogName::events)));
  if (const auto read = ledger_.read(process_->log()); !read && read.error().kind == ErrorKind::corrupt)
    trace_.wrong("{}", read.error().message);
  note_medium();
}

// The disk as it is at this moment is all that the next process gets.
void Simulation::kill() {
  using Unsynced = fakes::MemoryDisk::Unsynced;
  constexpr std::array kLeft{Unsynced::lost, Unsynced::prefix, Unsynced::scattered};
  trace_.say("the process is killed");
  restarted_ = true;
  world_.disk->fail_no_more();
  if (const auto read = ledger_.read(process_->log()); !read) trace_.wrong("{}", read.error().message);
  auto left = world_.disk->crash(chance_.number(), kLeft[chance_.below(kLeft.size())]);
  for (const auto& client : world_.clients) client->disconnect();
  world_.state.crash();
  process_.reset();
  for (const auto& receiver : world_.receivers) receiver->forget();
  world_.disk = std::move(left);
  if (chance_.one_in(2)) lose_unsynced_writes();
  if (planted_ == Planted::cursor_too_far) push_cursors();
  world_.clock.advance(Duration{chance_.between(0, 2000)});
  start();
}

void Simulation::lose_unsynced_writes() {
  for (std::size_t i = 0; i < on_medium_.size(); ++i) {
    const std::string& name = world_.receivers[i]->name();
    if (on_medium_[i].cursor) {
      trace_.say("{}: its cursor is {} again", name, to_text(on_medium_[i].cursor->next));
      if (!world_.store.save_cursor(name, on_medium_[i].cursor->next, delivery::Sync::no))
        trace_.wrong("{}: no cursor", name);
    }
    if (!world_.store.save_replay(name, on_medium_[i].replay, delivery::Sync::no)) trace_.wrong("{}: no replay", name);
  }
}

void Simulation::push_cursors() {
  for (const auto& receiver : world_.receivers) {
    auto cursor = world_.store.cursor(receiver->name()).value();
    if (!cursor) continue;
    ++cursor->next.front();
    if (!world_.store.save_cursor(receiver->name(), cursor->next, delivery::Sync::no))
      trace_.wrong("{}: no cursor", receiver->name());
  }
}

// Now all that was written is on the medium.
void Simulation::note_medium() {
  on_medium_.clear();
  for (const auto& receiver : world_.receivers)
    on_medium_.push_back({world_.store.cursor(receiver->name()).value(), world_.store.replay(receiver->name()).value()});
}

void Simulation::heal() {
  trace_.say("everything is healed");
  world_.disk->fail_no_more();
  world_.state.refuse(false);
  if (world_.feed) world_.feed->heal();
  process_->gate().open();
  world_.paused.clear();
  for (std::size_t i = 0; i < world_.receivers.size(); ++i) {
    world_.receivers[i]->heal();
    process_->runner(i).resume();
    process_->runner(i).set_rate(std::nullopt);
  }
}

// Whatever can happen without time passing.
bool Simulation::run_until_quiet() {
  for (int steps = 0; steps < kStepsAtOnce; ++steps) {
    bool moved = false;
    for (const auto& client : world_.clients) moved |= client->act(process_->intake());
    moved |= process_->write(LogName::captured);
    for (std::size_t worker = 0; worker < process_->workers(); ++worker) {
      const auto stepped = process_->step_ingest(worker);
      if (!stepped) {
        trace_.wrong("ingest stops on a healthy disk: {}", stepped.error().message);
        return false;
      }
      moved |= *stepped;
    }
    if (process_->write(LogName::events)) {
      moved = true;
      process_->wake();
    }
    while (world_.executor.run_one()) moved = true;
    for (const auto& receiver : world_.receivers)
      while (receiver->answer_one()) moved = true;
    if (!moved) return true;
  }
  trace_.wrong("it never comes to rest");
  return false;
}

bool Simulation::settled() {
  const Offsets end = process_->log().end(LogName::events);
  if (!process_->ingest_idle()) return false;
  if (!std::ranges::all_of(world_.clients, [](const auto& client) { return client->done(); })) return false;
  for (std::size_t i = 0; i < world_.receivers.size(); ++i) {
    const std::string& name = world_.receivers[i]->name();
    if (!process_->runner(i).settled(end) || world_.store.replay(name).value().has_value()) return false;
    if (world_.store.count_wanted(name, 1).value() > 0) return false;
  }
  return true;
}

// A poison event is told from an outage by what becomes of others: so now and then a healthy one comes along.
void Simulation::settle() {
  process_->wake();
  const SteadyTime began = world_.clock.steady();
  SteadyTime healthy_at = began + kBetweenHealthyEvents;
  while (run_until_quiet() && !settled()) {
    const SteadyTime now = world_.clock.steady();
    if (now - began > kSettledWithin) {
      for (std::size_t i = 0; i < world_.receivers.size(); ++i) {
        const auto status = process_->runner(i).status();
        trace_.wrong("{}: is {} ({}) at {} of {}, with {} in flight and {} waiting", status.name,
                     to_string(status.condition.health), status.condition.reason, to_text(status.cursor),
                     to_text(process_->log().end(LogName::events)), status.in_flight, status.retrying);
      }
      return trace_.wrong("after {} s it is not settled", kSettledWithin.count() / 1000);
    }
    if (world_.settings.cuts_to_the_end && chance_.one_in(5)) look_after_logs();
    if (now >= healthy_at) {
      healthy_at = now + kBetweenHealthyEvents;
      world_.clients.front()->plan(
          {make_event(++events_made_, Kind::kept, "purchase", "healthy", ++sequences_["healthy"], {}, 0)});
    }
    const auto timer = world_.executor.next_timer();
    const SteadyTime next = std::min(timer.value_or(now + kLongestStep), now + kLongestStep);
    world_.clock.advance(std::max(Duration{1}, std::chrono::ceil<Duration>(next - now)));
  }
}

void Simulation::check_end() {
  trace_.say("everything is settled");
  if (const auto read = ledger_.read(process_->log()); !read) trace_.wrong("{}", read.error().message);
  process_->stop_destinations();
  if (!world_.state.recover(process_->log())) trace_.wrong("derived state cannot catch up");
  check_promises(world_, {.ledger = ledger_,
                          .begin = process_->log().begin(LogName::events),
                          .end = process_->log().end(LogName::events),
                          .replays = replays_,
                          .excused = excused_,
                          .restarted = restarted_});
}

void forget_destinations(delivery::DeliveryStore& store) {
  for (const char* name : kDestinationNames) {
    if (!store.forget_cursor(name) || !store.save_replay(name, std::nullopt, delivery::Sync::no))
      throw std::runtime_error("delivery's store cannot be cleared");
  }
  std::vector<std::string> ids;
  const auto letters = store.dead_letters().list({}, {.limit = 100'000, .after = {}, .order = dead::Order::oldest_first});
  for (const auto& each : letters.value()) ids.push_back(each.id);
  if (!ids.empty() && !store.discard(ids)) throw std::runtime_error("delivery's store cannot be cleared");
}

}  // namespace penstock::simulation
