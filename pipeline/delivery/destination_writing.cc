// The other half of DestinationLoop: handing batches over, acting on answers, and coming to an end.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"
#include "pipeline/delivery/set_aside.h"
#include "pipeline/event/timestamps.h"

namespace penstock::delivery {

namespace {

// Answers, and how long nothing was delivered, before failures of what is set aside count as those of the destination.
constexpr int kInVain = 3;
constexpr Duration kNothingDelivered{30'000};

}  // namespace

// What the destination calls. Also sees to it that a batch let go without an answer does not stay in flight for ever.
class DestinationLoop::Reply {
 public:
  Reply(std::weak_ptr<DestinationLoop> loop, Window::Ticket ticket) : loop_(std::move(loop)), ticket_(ticket) {}
  Reply(Reply&&) = default;
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (loop_.expired()) return;  // moved from, answered, or nobody left to tell
    answer(Outcomes::all({.kind = Outcome::Kind::unavailable,
                          .code = "no_answer",
                          .reason = "the destination let go of a batch without an answer",
                          .retry_after = {}}));
  }
  void operator()(Outcomes outcomes) { answer(std::move(outcomes)); }

 private:
  void answer(Outcomes outcomes) {
    const auto loop = std::exchange(loop_, {}).lock();
    if (!loop) return;
    loop->home_.post([self = loop.get(), ticket = ticket_, outcomes = std::move(outcomes)]() mutable {
      self->answered(ticket, std::move(outcomes));
    });
  }

  std::weak_ptr<DestinationLoop> loop_;
  Window::Ticket ticket_;
};

void DestinationLoop::launch() {
  const SteadyTime now = around_.clock.steady();
  tokens_at_.reset();
  const auto turn = [this] {
    return breaker_.probes_another() ? Window::Turn::another : breaker_.probing() ? Window::Turn::head : Window::Turn::usual;
  };
  while (window_.sendable() && may_send(now)) {
    auto [ticket, batch] = window_.take_off(now, turn());
    event_tokens_.take(batch.events.size(), now);
    byte_tokens_.take(batch.bytes, now);
    destination_->submit(std::move(batch), Reply(weak_from_this(), ticket));
  }
}

void DestinationLoop::tend_connection() {
  if (paused_ || !breaker_.wants_connect(around_.clock.steady(), window_.in_flight())) return;
  breaker_.connecting();
  blocking_->post([self = shared_from_this()] {
    auto result = self->destination_->connect(self->stop_.get_token());
    self->home_.post([self = self.get(), result = std::move(result)] { self->connected(result); });
  });
}

void DestinationLoop::connected(const Result<void>& result) {
  if (result) {
    breaker_.connected(window_.sendable() || window_.waiting() > 0);
  } else {
    breaker_.connect_failed(result.error(), around_.clock.steady());
    metrics_.count_unavailable("connect");
  }
  pump();
}

void DestinationLoop::answered(Window::Ticket ticket, Outcomes outcomes) {
  auto flight = window_.land(ticket);
  if (!flight) return;  // Reply answers once
  metrics_.batches.add();
  metrics_.write_seconds.observe(std::chrono::duration<double>(around_.clock.steady() - flight->submitted_at).count());
  const auto mark = flight->shipment.mark;
  auto verdict = judge(std::move(flight->shipment), std::move(outcomes), settings_.retry, around_.clock, delivered_,
                       breaker_.flowing());
  if (settings_.order == Order::key) keep_order(verdict);
  follow(std::move(verdict), mark);
  pump();
  stop_further();
}

void DestinationLoop::follow(Verdict verdict, LowWater::Mark mark) {
  const SteadyTime now = around_.clock.steady();
  const bool again = traffic_of(mark) == Traffic::again;
  KeyLanes died;
  settle_delivered(verdict.delivered, mark);
  for (auto& dead : verdict.dead) {
    const Parcel& parcel = dead.parcel;
    died.set(parcel.key_lane);
    DeadLetter letter = again ? letter_again(parcel.offset) : letter_for(parcel.logged(), parcel.partition, parcel.offset);
    last_death_ = fmt::format("{} ({})", dead.reason, dead.code);
    letter.app.clear();
    letter.code = std::move(dead.code);
    letter.reason = std::move(dead.reason);
    if (const Uuid& uuid = parcel.view.facts.uuid; uuid != letter.uuid)
      letter.reason += fmt::format("; that was {}, which apps made of it", uuid.to_string());
    letter.attempts += static_cast<std::uint32_t>(verdict.attempts);
    if (again) {
      died_again(parcel, std::move(letter));
      continue;
    }
    letter.first_at = verdict.first_failed_at;
    record(std::move(letter), mark, parcel.origin);
  }
  recorder_.write();
  weigh_rejections(verdict.delivered.size(), verdict.dead.size(), now);
  weigh_answer(verdict, now);
  // What is not settled comes again from the cursor, or was called off.
  if (phase_ != Phase::running || of_ended_replay(mark)) return;
  for (auto& half : verdict.at_once) {
    if (verdict.by_itself) set_aside(half);
    window_.add(std::move(half));
  }
  for (auto& piece : verdict.untried) window_.add(std::move(piece));
  for (auto& piece : verdict.held) window_.add(std::move(piece));
  if (!verdict.aside.empty()) {
    const int pauses = verdict.delivered.empty() ? verdict.aside.front().pauses + 1 : 1;
    for (auto& piece : verdict.aside) piece.pauses = pauses;
    const auto pause =
        std::max(std::min(verdict.retry_after.value_or(Duration{0}), kRetryAfterMax), retry_backoff_.after(pauses));
    put_off(std::move(verdict.aside), verdict.by_itself->code, now + pause);
  }
  if (!verdict.later.empty()) {
    const auto pause = verdict.retry_after ? std::clamp(*verdict.retry_after, Duration{1}, kRetryAfterMax)
                                           : retry_backoff_.after(verdict.later.front().retries);
    put_off(std::move(verdict.later), verdict.retry_code, now + pause);
  }
  park_behind(died);
  if (again) take_out_discarded();
}

void DestinationLoop::put_off(std::vector<Shipment> pieces, const std::string& code, SteadyTime until) {
  for (auto& piece : pieces) {
    metrics_.count_retry(code, piece.parcels.size());
    board_.retries += piece.parcels.size();
    window_.add_later(std::move(piece), until);
  }
}

// What failed by itself says nothing about the destination, one way or the other; but as a probe it has brought nothing, and when
// nothing has been delivered for long, and that is all there is to try, perhaps nothing can be.
void DestinationLoop::weigh_answer(const Verdict& verdict, SteadyTime now) {
  if (verdict.by_itself) aside_for_ = verdict.by_itself->reason;
  const bool only_by_itself = verdict.by_itself && verdict.delivered.empty();
  if (held_for_aside_ && !verdict.delivered.empty()) breaker_.try_now(now);
  if (verdict.unavailable) {
    if (!verdict.held.empty() && !verdict.held.front().aside()) held_for_aside_ = false;
    found_unavailable(*verdict.unavailable, now);
  } else if (!only_by_itself) {
    breaker_.answered();
  } else if (++in_vain_ >= kInVain && now - delivered_at_ >= kNothingDelivered && window_.only_aside()) {
    held_for_aside_ = held_for_aside_ || breaker_.flowing();
    found_unavailable(*verdict.by_itself, now);
  } else if (breaker_.probing()) {
    found_unavailable(*verdict.by_itself, now);
  }
  if (breaker_.flowing()) held_for_aside_ = false;
}

void DestinationLoop::found_unavailable(const Outcome& outcome, SteadyTime now) {
  metrics_.count_unavailable(outcome.code);
  breaker_.unavailable(outcome, now);
  if (const auto until = breaker_.asked_until())
    asked_until_ = {around_.clock.now().ms + std::chrono::ceil<Duration>(*until - now).count()};
}

// "429 from crm.example, until 12:03:10Z"
Condition DestinationLoop::receivers_condition() const {
  Condition now = breaker_.condition();
  if (breaker_.asked_until()) now.reason += fmt::format(", until {}Z", format_timestamp(asked_until_).substr(11, 8));
  return now;
}

void DestinationLoop::settle_delivered(const std::vector<Parcel>& parcels, LowWater::Mark mark) {
  delivered_ += parcels.size();
  if (!parcels.empty()) {
    delivered_at_ = around_.clock.steady();
    in_vain_ = 0;
  }
  count_delivered(parcels);
  switch (traffic_of(mark)) {
    case Traffic::again: return delivered_again(parcels);
    case Traffic::replay: return settle_replayed(mark, parcels.size());
    case Traffic::live: return low_water_.settle(mark, parcels.size());
  }
}

void DestinationLoop::count_delivered(const std::vector<Parcel>& parcels) {
  if (parcels.empty()) return;
  const std::int64_t now = around_.clock.now().ms;
  std::size_t bytes = 0;
  // Neighbours were mostly received in one go, so that their ages are the same.
  Timestamp received = parcels.front().view.facts.received_at;
  std::uint64_t together = 0;
  const auto observe_ages = [&] { metrics_.age_seconds.observe(static_cast<double>(now - received.ms) / 1000, together); };
  for (const auto& parcel : parcels) {
    bytes += parcel.view.body.size();
    if (parcel.view.facts.received_at != received) {
      observe_ages();
      received = parcel.view.facts.received_at;
      together = 0;
    }
    ++together;
  }
  observe_ages();
  metrics_.delivered.add(parcels.size());
  metrics_.bytes.add(bytes);
  board_.delivered += parcels.size();
}

DeadLetter DestinationLoop::letter_for(const EventView& event, std::int32_t partition, std::uint64_t offset) const {
  DeadLetter letter;
  letter.uuid = event.facts.uuid;
  letter.stage = name_;
  letter.source = event.facts.source;
  letter.place = fmt::format("events, partition {}, offset {}", partition, offset);
  letter.event = event.facts.event;
  letter.distinct_id = event.facts.distinct_id;
  letter.partition = partition;
  letter.offset = offset;
  letter.received_at = event.facts.received_at;
  letter.project = event.facts.project;
  letter.timestamp = event.facts.timestamp;
  letter.last_at = around_.clock.now();
  letter.body = event.body;
  return letter;
}

DeadLetter DestinationLoop::letter_for(const Feed::Current& current, const Prepared& failed) const {
  DeadLetter letter = letter_for(current.view, current.partition, current.offset);
  letter.app = failed.app;
  letter.code = failed.code;
  letter.reason = failed.reason;
  letter.attempts = 1;
  letter.first_at = letter.last_at;
  return letter;
}

// Of what went no further than a condition or an app.
void DestinationLoop::bury(std::vector<DeadLetter> letters, LowWater::Mark mark) {
  for (auto& letter : letters) {
    last_death_ =
        fmt::format("{}{}{}", letter.app, letter.app.empty() ? "" : ": ", letter.reason.substr(0, letter.reason.find('\n')));
    record(std::move(letter), mark);
  }
  recorder_.write();
}

void DestinationLoop::buried(const std::vector<Recorder::Burial>& burials, std::size_t discarded) {
  std::size_t died_again = 0;
  std::size_t died = 0;
  for (const auto& burial : burials) {
    const auto traffic = traffic_of(burial.mark);
    if (blocked_) blocked_->written(key_of(burial.letter));
    if (traffic != Traffic::again && !burial.repeated) {
      ++died;
      metrics_.count_dead_letter(burial.letter.code);
    }
    switch (traffic) {
      case Traffic::again: ++died_again; break;
      case Traffic::replay: settle_replayed(burial.mark, 1); break;
      case Traffic::live: low_water_.settle(burial.mark, 1); break;
    }
  }
  settled_again(died_again + discarded);
  metrics_.dead.add(died);
  board_.dead += died;
  pump();
  stop_further();
}

void DestinationLoop::stop(Duration within, std::move_only_function<void()> stopped) {
  home_.post([this, within, stopped = std::move(stopped)]() mutable {
    stopped_ = std::move(stopped);
    begin_stop(within);
  });
}

void DestinationLoop::begin_stop(Duration within) {
  phase_ = Phase::draining;
  stop_.request_stop();
  preparation_.end_rehearsal();
  draft_ = {};
  window_.drop_waiting();
  const SteadyTime now = around_.clock.steady();
  // A fifth of the time is for close(), which may have to give up on what is in flight.
  home_.post_at(now + within * 4 / 5, [this] {
    if (phase_ == Phase::draining) close_destination();
  });
  home_.post_at(now + within, [this, within] {
    if (phase_ == Phase::stopped) return;
    log_warning("delivery", "destination {} did not come to an end within {} ms; what is in flight will be delivered again",
                name_, within.count());
    save_cursor_if_moved();
    finish_stop();
  });
  stop_further();
}

void DestinationLoop::stop_further() {
  if (phase_ == Phase::draining && window_.in_flight() == 0 && recorder_.letters_waiting() == 0) close_destination();
  if (phase_ != Phase::saving || !recorder_.idle()) return;
  save_cursor_if_moved();
  if (recorder_.idle()) finish_stop();
}

void DestinationLoop::close_destination() {
  phase_ = Phase::closing;
  blocking_->post([self = shared_from_this()] {
    self->destination_->close();
    self->home_.post([self = self.get()] {
      if (self->phase_ != Phase::closing) return;
      self->phase_ = Phase::saving;
      self->stop_further();
    });
  });
}

void DestinationLoop::finish_stop() {
  phase_ = Phase::stopped;
  tell_of_dead_letters();
  publish();
  std::exchange(stopped_, {})();
}

}  // namespace penstock::delivery
