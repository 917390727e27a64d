// What clients are going to send.
#include <fmt/format.h>

#include "tests/simulation/simulation.h"

namespace penstock::simulation {
namespace {

constexpr int kRequestsMax = 6;
constexpr int kEventsMax = 5;  // of a request
constexpr int kLinesMax = 4;  // that a polled source has more, at a time
constexpr int kPoisonMax = 2;  // of a destination: each costs many probes

}  // namespace

void Simulation::plan_requests() {
  if (world_.feed) grow_feed();
  for (std::size_t i = 0; i < world_.clients.size(); ++i) {
    const int requests = chance_.between(1, kRequestsMax);
    for (int r = 0; r < requests; ++r) world_.clients[i]->plan(draw_request(i));
  }
}

Request Simulation::draw_request(std::size_t client) {
  Request request;
  const int events = chance_.between(1, kEventsMax);
  for (int i = 0; i < events; ++i)
    request.push_back(draw_event(fmt::format("u{}{}", client, chance_.one_in(2) ? "a" : "b")));
  return request;
}

SentEvent Simulation::draw_event(const std::string& distinct_id) {
  const int drawn = chance_.between(1, 100);
  const Kind kind = drawn <= 70   ? Kind::kept
                    : drawn <= 77 ? Kind::dropped
                    : drawn <= 86 ? Kind::split
                    : drawn <= 92 ? Kind::failed
                                  : Kind::invalid;
  const char* name = kind == Kind::dropped  ? "drop"
                     : kind == Kind::split  ? "split"
                     : kind == Kind::failed ? "fail"
                     : chance_.one_in(2)    ? "page_view"
                                            : "purchase";
  const std::size_t padding = chance_.one_in(10) ? chance_.below(3000) : chance_.below(60);
  return make_event(++events_made_, kind, name, distinct_id, ++sequences_[distinct_id], draw_fates(kind), padding);
}

// Somebody adds to what the polled source reads.
void Simulation::grow_feed() {
  const std::size_t partition = world_.feed->draw_partition(chance_);
  for (int lines = chance_.between(1, kLinesMax); lines > 0; --lines) {
    SentEvent event = draw_event(fmt::format("f{}{}", partition, chance_.one_in(2) ? "a" : "b"));
    trace_.say("feed {}: has {} {} of {}, number {}", partition, event.name, event.uuid.to_string().substr(0, 8),
               event.distinct_id, event.sequence);
    world_.feed->add(partition, std::move(event));
  }
}

Fates Simulation::draw_fates(Kind kind) {
  Fates fates;
  for (std::size_t i = 0; i < world_.receivers.size(); ++i) {
    const int drawn = chance_.between(1, 100);
    Fate fate = drawn <= 5    ? Fate::rejected
                : drawn <= 8  ? Fate::poison
                : drawn <= 16 ? Fate::busy
                : drawn <= 19 ? Fate::when_fails
                : drawn <= 25 ? Fate::unwanted
                              : Fate::fine;
    // With an order, what waits behind a poison event of its own distinct id fills the window, and with few distinct ids nothing
    // is left that could show that the receiver is well.
    const bool in_order = world_.settings.destinations[i].settings.order == delivery::Order::key;
    if (fate == Fate::poison && (kind != Kind::kept || in_order || ++poisons_[i] > kPoisonMax)) fate = Fate::rejected;
    if (fate == Fate::poison || fate == Fate::busy) doomed_[i] += kind == Kind::split ? kSplitInto : 1;
    const std::string& name = world_.receivers[i]->name();
    if (fate != Fate::fine) fates.receiver[name] = fate;
    if (world_.settings.destinations[i].has_app) fates.app[name] = draw_app(fate);
  }
  return fates;
}

// What it drops or fails on is fine otherwise: when it is a dead letter first and dropped later is not told here.
AppDoes Simulation::draw_app(Fate fate) {
  const int drawn = chance_.between(1, 100);
  if (drawn <= 50) return AppDoes::changes;
  if (fate != Fate::fine || drawn > 70) return AppDoes::nothing;
  return drawn <= 63 ? AppDoes::drops : AppDoes::fails;
}

}  // namespace penstock::simulation
