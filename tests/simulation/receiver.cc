#include "tests/simulation/receiver.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/sent_event.h"

namespace penstock::simulation {
namespace {

Outcome outcome(Outcome::Kind kind, std::string code) {
  return {.kind = kind, .code = code, .reason = "it said " + code, .retry_after = {}};
}

bool any(const Batch& batch, const std::string& name, Fate fate) {
  return std::ranges::any_of(batch.events, [&](const EventView& event) { return fate_at(event.body, name) == fate; });
}

// One on which the condition fails comes here when somebody wants it sent again, and is no better.
bool never_goes(Fate fate) { return fate == Fate::rejected || fate == Fate::when_fails; }

}  // namespace

class Receiver::Wire final : public Destination {
 public:
  explicit Wire(Receiver& end) : end_(end) {}
  Result<void> connect(std::stop_token) override { return end_.connect(); }
  void submit(Batch batch, Completion done) override { end_.submit(std::move(batch), std::move(done)); }
  void close() override { end_.close(); }

 private:
  Receiver& end_;
};

std::unique_ptr<Destination> Receiver::make() {
  connected_ = false;
  return std::make_unique<Wire>(*this);
}

void Receiver::forget() {
  waiting_.clear();
  open_.clear();
  connected_ = false;
}

Result<void> Receiver::connect() {
  if (!waiting_.empty()) trace_.wrong("{}: connect while writes are in flight", name());
  connected_ = !down_ || chance_.one_in(2);
  trace_.say("{}: connect, {}", name(), connected_ ? "well" : "refused");
  if (!connected_) return fail(ErrorKind::unavailable, "no route to it");
  return {};
}

void Receiver::submit(Batch batch, Completion done) {
  trace_.say("{}: is given {} events", name(), batch.events.size());
  if (!connected_) trace_.wrong("{}: submit without a successful connect", name());
  if (batch.events.empty()) trace_.wrong("{}: an empty batch", name());
  for (const auto& event : batch.events) {
    open_.insert(event.facts.uuid);
    const AppDoes does = app_at(event.body, name());
    if (does == AppDoes::drops || does == AppDoes::fails)
      trace_.wrong("{}: is given {}, which its app {}", name(), event.facts.uuid.to_string().substr(0, 8),
                   does == AppDoes::drops ? "drops" : "fails on");
    if (is_changed_by_app(event.body, name()) != (does == AppDoes::changes))
      trace_.wrong("{}: is given {} as its app would not have it", name(), event.facts.uuid.to_string().substr(0, 8));
  }
  waiting_.push_back({std::move(batch), std::move(done)});
  if (waiting_.size() > static_cast<std::size_t>(habits_.in_flight_max))
    trace_.wrong("{}: {} writes in flight, but in_flight_max is {}", name(), waiting_.size(), habits_.in_flight_max);
}

void Receiver::close() {
  connected_ = false;
  for (auto& each : std::exchange(waiting_, {}))
    each.done(Outcomes::all(outcome(Outcome::Kind::unavailable, "closed before an answer")));
}

bool Receiver::answer_one() {
  if (waiting_.empty() || frozen_) return false;
  const auto chosen = waiting_.begin() + static_cast<std::ptrdiff_t>(chance_.below(waiting_.size()));
  Waiting waiting = std::move(*chosen);
  waiting_.erase(chosen);
  Outcomes outcomes = decide(waiting.batch);
  note(waiting.batch, outcomes);
  waiting.done(std::move(outcomes));
  return true;
}

void Receiver::begin_outage() {
  if (down_ || troubles_left_ == 0) return;
  --troubles_left_;
  down_ = true;
  trace_.say("{}: is down", name());
}

void Receiver::end_outage() {
  if (std::exchange(down_, false)) trace_.say("{}: is there again", name());
}

void Receiver::heal() {
  end_outage();
  frozen_ = false;
  troubles_left_ = 0;
}

Outcome Receiver::unavailable() {
  Outcome made = outcome(Outcome::Kind::unavailable, chance_.one_in(3) ? "http_429" : "http_503");
  made.limited = made.code == "http_429" && chance_.one_in(2);
  if (chance_.one_in(2)) made.retry_after = Duration{chance_.between(0, 5000)};
  return made;
}

Outcomes Receiver::decide(const Batch& batch) {
  if (down_) return Outcomes::all(unavailable());
  if (troubles_left_ > 0 && chance_.one_in(30)) {
    --troubles_left_;
    return {std::vector<Outcome>(batch.events.size() + 1)};
  }
  if (any(batch, name(), Fate::poison)) return Outcomes::all(outcome(Outcome::Kind::unavailable, "http_500"));
  const bool refuses =
      std::ranges::any_of(batch.events, [&](const EventView& event) { return never_goes(fate_at(event.body, name())); });
  const bool is_busy = std::ranges::any_of(batch.events, [&](const EventView& event) {
    return fate_at(event.body, name()) == Fate::busy && busy_[event.facts.uuid] < habits_.busy_answers;
  });
  if (chance_.one_in(2)) return decide_each(batch);
  if (refuses) return Outcomes::all(outcome(Outcome::Kind::rejected, "http_400"));
  if (!is_busy) return Outcomes::all(Outcome::delivered());
  for (const auto& event : batch.events)
    if (fate_at(event.body, name()) == Fate::busy) ++busy_[event.facts.uuid];
  return Outcomes::all(outcome(Outcome::Kind::retry, "busy"));
}

Outcome Receiver::answer_to(const EventView& event) {
  const Fate fate = fate_at(event.body, name());
  if (never_goes(fate)) return outcome(Outcome::Kind::rejected, "http_400");
  if (fate == Fate::busy && busy_[event.facts.uuid]++ < habits_.busy_answers) {
    Outcome made = outcome(Outcome::Kind::retry, "busy");
    if (chance_.one_in(4)) made.retry_after = Duration{chance_.between(0, 3000)};
    return made;
  }
  return Outcome::delivered();
}

Outcomes Receiver::decide_each(const Batch& batch) {
  const bool gasps = chance_.one_in(6);  // some of it does not get through
  Outcomes outcomes;
  std::set<std::string_view> failed;  // distinct ids
  for (const auto& event : batch.events) {
    const bool waits =
        habits_.in_order && failed.contains(event.facts.distinct_id) && !never_goes(fate_at(event.body, name()));
    const bool chokes = waits || (gasps && batch.events.size() > 1 && chance_.one_in(4));
    Outcome made = chokes ? unavailable() : answer_to(event);
    if (made.kind == Outcome::Kind::retry || made.kind == Outcome::Kind::unavailable ||
        (made.kind == Outcome::Kind::rejected && habits_.rejection_blocks))
      failed.insert(event.facts.distinct_id);
    outcomes.each.push_back(std::move(made));
  }
  return outcomes;
}

void Receiver::note(const Batch& batch, const Outcomes& outcomes) {
  const auto& each = outcomes.each;
  const bool counts_right = each.size() == 1 || each.size() == batch.events.size();
  int delivered = 0;
  for (std::size_t i = 0; counts_right && i < batch.events.size(); ++i) {
    const Outcome& made = each[each.size() == 1 ? 0 : i];
    const EventView& event = batch.events[i];
    if (made.kind == Outcome::Kind::delivered) {
      taken_.push_back({event.facts.uuid, event.replayed});
      ++delivered;
    }
    if (made.kind == Outcome::Kind::delivered || made.kind == Outcome::Kind::rejected) open_.erase(event.facts.uuid);
    if (made.kind == Outcome::Kind::retry) answered_.insert(event.facts.uuid);
    trace_.say("{}:   {} {}: {}{}", name(), event.facts.distinct_id, event.facts.uuid.to_string().substr(0, 8),
               made.kind == Outcome::Kind::delivered ? "delivered" : made.reason, event.replayed ? " (replayed)" : "");
  }
  if (!counts_right) trace_.say("{}: answers with {} outcomes for {} events", name(), each.size(), batch.events.size());
}

}  // namespace penstock::simulation
