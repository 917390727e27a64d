#include "pipeline/delivery/destination_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/key_lanes.h"

namespace penstock::delivery {
namespace {

constexpr std::chrono::milliseconds kSlice{5};
constexpr unsigned kStepsBetweenLooks = 32;      // at the clock
constexpr std::size_t kLettersWaiting = 2000;
// Ready batches that were tried in vain and do not keep others from being read: among those must be one that goes, if not the
// destination but some events are at fault.
constexpr std::size_t kTriedMax = 8;
constexpr Duration kLongAnswer{10'000};
constexpr Duration kReadPauseMin{100};
constexpr Duration kReadPauseMax{10'000};

// The same of single events that halving has left alone, for what proves them guilty is that others are delivered: these may
// have to be read first. Each keeps its chunk.
constexpr std::size_t kAloneMax = 256;
// Batches with something unsettled that is not set aside, for each holds its chunks.
std::size_t unsettled_marks_max(const DestinationSettings& settings) {
  return std::max<std::size_t>(16, 4 * static_cast<std::size_t>(settings.in_flight_max));
}

std::string counted_writes(std::size_t writes) { return fmt::format("{} {}", writes, writes == 1 ? "write" : "writes"); }

}  // namespace

DestinationLoop::DestinationLoop(DestinationParts parts, const Surroundings& around, const Offsets& start,
                                 const std::vector<FirstDead>& dead_keys, Offsets buried_until)
    : name_(std::move(parts.name)), settings_(std::move(parts.settings)), around_(around), filter_(settings_.events),
      destination_(std::move(parts.destination)), preparation_(std::move(parts.preparing)), metrics_(parts.metrics),
      board_(start), home_(around.executor.make_strand()), blocking_(around.blocking.make_strand()),
      feed_(around.log, filter_, start), window_(settings_.order, settings_.in_flight_max), low_water_(start),
      breaker_(Backoff(settings_.retry.wait_min, settings_.retry.wait_max, parts.seed)),
      retry_backoff_(settings_.retry.wait_min, settings_.retry.wait_max, parts.seed + 1),
      read_backoff_(kReadPauseMin, kReadPauseMax, parts.seed + 2),
      recorder_(home_, around.storing.make_strand(), around.clock,
                {.bury = [&store = around.store](auto letters, Sent sent) { return store.bury(letters, sent); },
                 .discard = [&store = around.store](auto ids) { return store.discard(ids); },
                 .release = [&store = around.store, name = name_](auto keys) { return store.release(name, keys); },
                 .save_cursor = [&store = around.store,
                                 name = name_](const Offsets& cursor) { return store.save_cursor(name, cursor, Sync::no); },
                 .save_replay = [&store = around.store,
                                 name = name_](const auto& order) { return store.save_replay(name, order, Sync::no); }},
                [this](const auto& burials, std::size_t discarded, const DeliveryStore::Released& given) {
                  released(given);
                  buried(burials, discarded);
                }),
      paused_(std::move(parts.paused)), rejections_(settings_.suspend), delivered_at_(around.clock.steady()),
      saved_cursor_(start), started_at_(start), buried_until_(std::move(buried_until)), began_at_(around.clock.steady()),
      cursor_saved_at_(began_at_), health_log_(name_, around.clock.steady()) {
  take_rate(parts.rate.value_or(settings_.rate));
  const auto wanted = around.store.count_wanted(name_, 1);
  again_wanted_ = !wanted || *wanted > 0;
  if (settings_.on_dead == OnDead::block) blocked_.emplace(dead_keys);
  if (parts.replay)
    replay_ = std::make_unique<Replay>(*std::move(parts.replay), std::move(parts.replay_where), around_.log, filter_,
                                       replay_marks_);
}

void DestinationLoop::start() {
  home_.belong_to(weak_from_this());
  metrics_.set_health(Health::starting);
  home_.post([this] {
    release_all();
    pump();
    tick();
  });
}

void DestinationLoop::wake() {
  if (wake_posted_.exchange(true)) return;
  home_.post([this] {
    wake_posted_ = false;
    pump();
  });
}

void DestinationLoop::hurry() {
  home_.post([this] {
    hurrying_ = true;
    pump();
  });
}

void DestinationLoop::pump() {
  pumped_at_ = around_.clock.steady();
  if (phase_ == Phase::running) {
    end_suspension();
    window_.promote(around_.clock.steady());
    tend_connection();
    launch();
    rehearse();
    read();
    read_replay();
    read_again();
    launch();
    save_cursor_if_due();
    arm();
  }
  publish();
}

// With an order, what waits for something of its key is no reason not to read on, up to a limit.
bool DestinationLoop::window_has_room() const {
  const auto sendable = window_.count_sendable();
  const std::size_t alone = std::min(window_.alone(), kAloneMax);
  return sendable.all < static_cast<std::size_t>(settings_.in_flight_max) + std::min(sendable.tried, kTriedMax + alone) &&
         (settings_.order == Order::none || window_.ready() < unsettled_marks_max(settings_) + alone);
}

bool DestinationLoop::may_read() const {
  return !paused_ && !suspended_until_ && !apps_hold() && !too_many_blocked() && window_has_room() && aside_has_room() &&
         low_water_.unsettled_marks() <
             unsettled_marks_max(settings_) + window_.aside(Traffic::live).marks + std::min(window_.alone(), kAloneMax) &&
         letters_allow();
}

// A `when:` or an app that fails on everything makes letters faster than a disk takes them.
bool DestinationLoop::letters_allow() const {
  return recorder_.letters_waiting() < kLettersWaiting && recorder_.letters_bytes() < kLettersWaitingMax.count;
}

// With nothing open it goes on even so, a record at a time: what others hold must not stop it.
bool DestinationLoop::memory_allows(bool anything_open) {
  MemoryBudget* memory = around_.memory;
  if (memory == nullptr || !memory->full() || !anything_open) return true;
  if (feed_.held() + (replay_ ? replay_->feed.held() : 0) < memory->share()) return true;
  if (!waits_for_memory_.exchange(true)) {
    memory->when_room([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->waits_for_memory_ = false;
      self->wake();
    });
  }
  return false;
}

void DestinationLoop::read() {
  const bool pausing = read_failure_ && around_.clock.steady() < read_again_at_;
  const bool at_end = !pausing && read_slice();
  const bool open = low_water_.unsettled_marks() > 0;
  if (around_.memory != nullptr && around_.memory->full() && open && (!may_read() || !memory_allows(open))) feed_.let_go();
  seal_when_due(at_end);
  if (draft_.empty()) low_water_.pass(feed_.position());
  collect_counts();
}

// True when it came to the end of the log.
bool DestinationLoop::read_slice() {
  const SteadyTime slice_end = around_.clock.steady() + kSlice;
  // An app may take its time.
  const unsigned between_looks = preparation_.has_apps() ? 1 : kStepsBetweenLooks;
  for (unsigned steps = 1; may_read() && memory_allows(low_water_.unsettled_marks() > 0); ++steps) {
    if (steps % between_looks == 0 && around_.clock.steady() >= slice_end) {
      wake();
      return false;
    }
    const auto step = feed_.next();
    const auto buried = step && *step == Feed::Step::event ? is_buried(feed_.current()) : Result<bool>(false);
    if (!step || !buried) {
      read_failed(step ? buried.error() : step.error().context("cannot read the log"));
      return false;
    }
    read_failure_.reset();
    read_failures_ = 0;
    if (*step == Feed::Step::end) return true;
    if (*step == Feed::Step::event && !may_take(feed_.current(), ahead_)) return true;
    if (*step == Feed::Step::event) *buried ? feed_.take() : accept(feed_.current());
  }
  return false;
}

void DestinationLoop::accept(const Feed::Current& current) {
  last_received_at_ = current.view.facts.received_at;
  const Prepared& prepared = preparation_.prepare(current.view);
  switch (prepared.kind) {
    case Prepared::Kind::goes: add_to_draft(current, prepared); break;
    case Prepared::Kind::filtered: ++filtered_by_when_; break;
    case Prepared::Kind::dropped:
    case Prepared::Kind::undecided: break;
    case Prepared::Kind::failed:
      if (draft_.empty()) draft_.opened_at = around_.clock.steady();
      draft_.add_letter(current, letter_for(current, prepared));
      break;
  }
  feed_.take();
  if (draft_.full(limits_of_draft())) seal(feed_.position());
}

// What apps made of one event may fill several batches. Only the last of them ends after the event: the cursor passes it when
// they all are settled.
void DestinationLoop::add_to_draft(const Feed::Current& current, const Prepared& prepared) {
  for (const EventView& part : prepared.events) {
    if (!draft_.fits(part, draft_limits_) || draft_.full(limits_of_draft())) seal(feed_.position());
    if (draft_.empty()) draft_.opened_at = around_.clock.steady();
    prepared.made ? draft_.add_made(current, part, prepared.events.size() == 1) : draft_.add(current);
  }
}

void DestinationLoop::seal(const Offsets& after) {
  Draft sealed = std::exchange(draft_, {});
  tend_beyond();
  draft_.parcels.reserve(sealed.parcels.size());  // the next one is mostly of the same size
  const auto mark = low_water_.add(after, sealed.parcels.size() + sealed.letters.size(), sealed.oldest);
  bury(std::move(sealed.letters), mark);
  if (sealed.parcels.empty()) return;
  dispatch(sealed.ship(mark));
  launch();
}

void DestinationLoop::dispatch(Shipment shipment) {
  if (!park_blocked(shipment)) return;
  if (held_for_aside_) breaker_.try_now(around_.clock.steady());  // something else to try it with
  if (settings_.order == Order::none) return window_.add(std::move(shipment));
  for (auto& part : cut_by_key(std::move(shipment), key_groups(settings_), batch_limits_)) window_.add(std::move(part));
}

void DestinationLoop::seal_when_due(bool at_end) {
  if (draft_.empty() || !window_has_room()) return;
  if ((hurrying_ && at_end) || around_.clock.steady() >= draft_.due(draft_limits_)) seal(feed_.position());
}

void DestinationLoop::read_failed(Error error) {
  read_again_at_ = around_.clock.steady() + read_backoff_.after(++read_failures_);
  read_failure_ = std::move(error);
}

// Who reads finds out by itself. One that is paused or cannot deliver would know only when it goes on, perhaps days later.
void DestinationLoop::look_at_retention() {
  look_at_retention_of_replay();
  if (may_read() || !feed_.skip_removed()) return;
  if (draft_.empty()) low_water_.pass(feed_.position());
  collect_counts();
}

void DestinationLoop::collect_counts() {
  if (const auto filtered = feed_.collect_filtered() + std::exchange(filtered_by_when_, 0); filtered > 0) {
    metrics_.filtered.add(filtered);
    board_.filtered += filtered;
  }
  if (const auto skipped = feed_.collect_skipped(); skipped > 0) {
    metrics_.skipped.add(skipped);
    board_.skipped += skipped;
    log_error(
        "delivery",
        "destination {} was overtaken by retention: {} events were removed before it had read them; it goes on with the "
        "oldest that is kept. A longer retention of the log gives it more time",
        name_, skipped);
    save_cursor_if_moved();  // or the next start would say and count it again
  }
}

// One timer for the earliest of all things that time alone can change. Nothing else: what is due but held back by a pause would
// be due again at once, and again.
void DestinationLoop::arm() {
  std::optional<SteadyTime> earliest = window_.next_promotion();
  const auto consider = [&](SteadyTime when) { earliest = earliest ? std::min(*earliest, when) : when; };
  if (!draft_.empty() && window_has_room()) consider(draft_.due(draft_limits_));
  if (!paused_ && breaker_.holding() && window_.in_flight() == 0) consider(breaker_.until());
  if (read_failure_ && may_read()) consider(read_again_at_);
  if (tokens_at_) consider(*tokens_at_);
  if (!aside_has_room()) consider(beyond_at_);
  if (const auto due = cursor_due()) consider(*due);
  if (replay_ && replay_->tokens_at) consider(*replay_->tokens_at);
  if (replay_ && replay_->read_again_at) consider(*replay_->read_again_at);
  if (replay_ && !replay_->draft.empty()) consider(replay_->draft.due(draft_limits_));
  if (wanted_again_at_ && !again_ && may_read_again()) consider(*wanted_again_at_);
  if (suspended_until_) consider(*suspended_until_);
  if (!earliest || (next_timer_ && *next_timer_ <= *earliest)) return;
  next_timer_ = earliest;
  home_.post_at(*earliest, [this, when = *earliest] {
    if (next_timer_ == when) next_timer_.reset();
    pump();
  });
}

DestinationStatus DestinationLoop::status() const {
  const auto seen = board_.snapshot();
  DestinationStatus status;
  status.name = name_;
  status.condition = seen.condition;
  status.delivered = board_.delivered;
  status.filtered = board_.filtered;
  status.dead = board_.dead;
  status.retries = board_.retries;
  status.skipped = board_.skipped;
  status.in_flight = seen.in_flight;
  status.retrying = seen.retrying;
  status.blocked_keys = seen.blocked_keys;
  status.lag_events = events_between(seen.cursor, around_.log.end(LogName::events));
  if (status.lag_events > 0 && seen.oldest_unsettled) {
    status.lag = Duration{std::max<std::int64_t>(0, around_.clock.now().ms - seen.oldest_unsettled->ms)};
  }
  status.replay_left = seen.replay_left;
  status.replay_stopped = seen.replay_stopped;
  status.replay_undecided = seen.replay_undecided;
  status.replay_skipped = seen.replay_skipped;
  status.cursor = seen.cursor;
  status.again_outstanding = seen.again_outstanding;
  return status;
}

Condition DestinationLoop::condition() const {
  if (phase_ == Phase::stopped) return {Health::stopped, {}};
  if (recorder_.letters_failure()) {
    return {Health::unavailable, "cannot store dead letters: " + recorder_.letters_failure()->message};
  }
  if (const auto held = held_back()) return *held;
  if (read_failure_) return {Health::unavailable, read_failure_->message};
  Condition now = receivers_condition();
  if (now.health == Health::healthy) now.reason = waits_for_answer_;
  if (now.health == Health::healthy && now.reason.empty()) now.reason = wanted_failure_;
  if (now.health == Health::healthy && now.reason.empty() && !aside_for_.empty() && window_.aside().failing > 0)
    now.reason = "some events fail while others are delivered: " + aside_for_;
  if (now.health == Health::healthy && blocked_ && blocked_->size() > 0 && !blocker_.empty())
    return {Health::blocked, blocker_};
  return now;
}

void DestinationLoop::tell(const std::optional<HealthLog::Line>& line) {
  if (line) log_at(line->level, "delivery", "{}", line->text);
}

void DestinationLoop::publish() {
  Condition now = condition();
  const bool by_rate = now.health == Health::limited && tokens_at_;
  if (now.health != shown_.health) metrics_.set_health(now.health);
  metrics_.asked_until.set(breaker_.asked_until() ? static_cast<double>(asked_until_.ms) / 1000 : 0);
  shown_ = now;
  // What its rate does comes and goes with every batch, and was asked for.
  tell(health_log_.changed(by_rate ? Condition{Health::healthy, {}} : now, around_.clock.steady()));
  auto oldest = low_water_.oldest_unsettled();
  if (!oldest && !draft_.empty()) oldest = draft_.oldest;
  if (!oldest && read_failure_ && last_received_at_.ms > 0) oldest = last_received_at_;
  const auto replay_left = replay_ ? std::optional(replay_->order.left()) : std::nullopt;
  board_.show({std::move(now), window_.in_flight(), window_.waiting(), oldest, low_water_.position(), replay_left,
               blocked_ ? blocked_->size() : 0, replay_ ? replay_->stopped : "", replay_ ? replay_->undecided : 0,
               replay_ ? replay_->skipped : 0, again_ || (again_wanted_ && !wanted_again_at_)});
}

void DestinationLoop::tick() {
  if (phase_ != Phase::running) return;
  if (recorder_.cursor_failure()) saved_cursor_.clear();  // try again
  save_cursor_if_moved();
  save_replay();
  tell_of_dead_letters();
  if (window_.aside().failing == 0) aside_for_.clear();
  look_at_retention();
  look_for_blocker();
  look_at_answers();
  tell(health_log_.due(around_.clock.steady()));
  const auto now = status();
  metrics_.in_flight.set(static_cast<double>(now.in_flight));
  metrics_.lag_events.set(static_cast<double>(now.lag_events));
  metrics_.lag_seconds.set(std::chrono::duration<double>(now.lag).count());
  tend_apps();
  home_.post_at(around_.clock.steady() + kTick, [this] { tick(); });
}

// One that takes what it gets and never answers is no outage before its time is up, but whoever asks is told: soon when the
// destination knows of trouble.
void DestinationLoop::look_at_answers() {
  const auto since = window_.longest_in_flight();
  const auto waited = since ? around_.clock.steady() - *since : SteadyTime::duration{0};
  waits_for_answer_.clear();
  const auto trouble = waited >= kTick ? destination_->trouble() : std::string();
  if (waited >= kLongAnswer || !trouble.empty()) {
    waits_for_answer_ = fmt::format("{} in flight, without an answer for {} s", counted_writes(window_.in_flight()),
                                    std::chrono::duration_cast<std::chrono::seconds>(waited).count());
    if (!trouble.empty()) waits_for_answer_ += ": " + trouble;
  }
  publish();
}

// Once a second at most, however many there are.
void DestinationLoop::tell_of_dead_letters() {
  const std::uint64_t dead = board_.dead;
  if (dead == dead_told_) return;
  log_warning("delivery", "destination {}: dead letters, {} new; the last one: {}", name_, dead - dead_told_, last_death_);
  dead_told_ = dead;
}

}  // namespace penstock::delivery
