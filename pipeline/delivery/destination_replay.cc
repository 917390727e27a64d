// A replay beside the live events: the same window and the same rules, in turns with what is live.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"

namespace penstock::delivery {
namespace {

constexpr int kEventsASlice = 512;
constexpr std::chrono::milliseconds kSlice{5};

}  // namespace

void DestinationLoop::replay(ReplayOrder order, When where) {
  home_.post([this, order = std::move(order), where = std::move(where)]() mutable {
    drop_replay();
    replay_ = std::make_unique<Replay>(std::move(order), std::move(where), around_.log, filter_, replay_marks_);
    save_replay();  // after what the one before may still have under way
    pump();
  });
}

// What is in flight is answered, and settles nothing any more. The order goes last of all that was to be written about it.
void DestinationLoop::end_replay() {
  home_.post([this] {
    drop_replay();
    recorder_.save_replay(std::nullopt);
    recorder_.write();
    pump();
  });
}

void DestinationLoop::drop_replay() {
  if (!replay_) return;
  replay_marks_ = replay_->low_water.last();
  replay_.reset();
  window_.drop_waiting(Traffic::replay);
}

bool DestinationLoop::of_ended_replay(LowWater::Mark mark) const {
  return traffic_of(mark) == Traffic::replay && (!replay_ || (mark & ~kReplayMarks) <= replay_->marks_after);
}

// Half of the window is for what is live.
bool DestinationLoop::may_replay(SteadyTime now) {
  const auto most = std::max<std::size_t>(1, static_cast<std::size_t>(settings_.in_flight_max) / 2);
  if (!replay_) return false;
  replay_->tokens_at.reset();
  if (replay_->read_again_at && now < *replay_->read_again_at) return false;
  replay_->read_again_at.reset();
  if (paused_ || suspended_until_ || apps_hold() || too_many_blocked()) return false;
  if (!letters_allow() || !aside_has_room()) return false;
  if (replay_->low_water.unsettled_marks() >= most + window_.aside(Traffic::replay).marks) return false;
  const SteadyTime when = replay_->tokens.ready_at(now);
  if (when > now) replay_->tokens_at = when;
  return when <= now;
}

void DestinationLoop::read_replay() {
  if (!replay_) return;
  const SteadyTime now = around_.clock.steady();
  int read = 0;
  while (!replay_->read_all() && may_replay(now) && memory_allows(replay_->low_water.unsettled_marks() > 0)) {
    if (++read > kEventsASlice || (preparation_.has_apps() && around_.clock.steady() >= now + kSlice)) {
      wake();
      break;
    }
    const auto step = replay_->feed.next();
    if (!step) {
      replay_failed(step.error());
      break;
    }
    replay_reads();
    if (*step == Feed::Step::end) break;
    if (*step == Feed::Step::event && !may_take(replay_->feed.current(), replay_->ahead)) break;
    if (*step == Feed::Step::event) take_replayed(now);
  }
  const bool open = replay_->low_water.unsettled_marks() > 0;
  if (around_.memory != nullptr && around_.memory->full() && open) replay_->feed.let_go();
  if (!replay_->draft.empty() && (replay_->read_all() || now >= replay_->draft.due(draft_limits_))) seal_replay();
  if (replay_->draft.empty()) replay_->low_water.pass(replay_->feed.position());
  count_replay_skipped();
  tend_replay();
}

// As what is live does: one that is held back for hours is told now, and what it has left is true.
void DestinationLoop::look_at_retention_of_replay() {
  const bool held_back = paused_ || suspended_until_ || apps_hold() || too_many_blocked();
  if (!replay_ || !held_back || !replay_->draft.empty() || !replay_->feed.skip_removed()) return;
  replay_->low_water.pass(replay_->feed.position());
  count_replay_skipped();
  tend_replay();
}

// The first in the log at once; how many there were when it is over.
void DestinationLoop::count_replay_skipped() {
  const auto skipped = replay_->feed.collect_skipped();
  if (skipped == 0) return;
  metrics_.skipped.add(skipped);
  if (replay_->skipped == 0) {
    log_error("delivery",
              "destination {}: its replay was overtaken by retention: {} events were removed before it had read them; it "
              "goes on with the oldest that is kept. A higher --rate, or a longer retention of the log, gives it more time",
              name_, skipped);
  }
  replay_->skipped += skipped;
}

// Told once. Its stretch may begin before the cursor, so what it cannot read need not concern what is live; nor is what the log
// advises for damage, to give up a part of itself, the thing to do for a replay.
void DestinationLoop::replay_failed(const Error& error) {
  const bool told = !replay_->stopped.empty();
  replay_->read_again_at = around_.clock.steady() + read_backoff_.after(++replay_->failures);
  const auto end = error.kind == ErrorKind::corrupt ? error.message.find("; ") : std::string::npos;
  // Nothing to mend: the next reading begins with the oldest that is kept.
  const bool overtaken = error.kind == ErrorKind::not_found;
  if (overtaken) replay_->stopped = "was overtaken by retention, and goes on with the oldest event that is kept";
  else
    replay_->stopped = fmt::format(
        "cannot read the log ({}); `penstock replay {} --cancel` ends it, and one with a later --from passes the place by",
        error.message.substr(0, end), name_);
  if (!told)
    log_at(overtaken ? LogLevel::warning : LogLevel::error, "delivery", "destination {}: its replay {}", name_,
           replay_->stopped);
}

void DestinationLoop::replay_reads() {
  replay_->stopped.clear();
  replay_->failures = 0;
}

// The first in the log at once; how many there were when it is over.
void DestinationLoop::pass_undecided(const std::string& reason) {
  if (replay_->undecided++ > 0) return;
  replay_->undecided_for = reason;
  log_warning("delivery", "destination {}: the `where` of its replay failed on an event, which is not sent: {}", name_,
              reason);
}

void DestinationLoop::take_replayed(SteadyTime now) {
  Feed::Current current = replay_->feed.current();
  if (!replay_->has(current)) return replay_->feed.take();
  current.view.replayed = true;
  const Prepared& prepared = preparation_.prepare_replayed(current.view, replay_->where);
  if (prepared.kind == Prepared::Kind::undecided) pass_undecided(prepared.reason);
  if (prepared.kind == Prepared::Kind::filtered || prepared.kind == Prepared::Kind::undecided) return replay_->feed.take();
  replay_->tokens.take(1, now);
  Draft& draft = replay_->draft;
  const auto open = [&] {
    if (draft.empty()) draft.opened_at = now;
  };
  if (prepared.kind == Prepared::Kind::failed) {
    open();
    draft.add_letter(current, letter_for(current, prepared));
  }
  if (prepared.kind == Prepared::Kind::goes) {
    for (const EventView& part : prepared.events) {
      if (!draft.fits(part, draft_limits_) || draft.full(limits_of_draft())) seal_replay();
      open();
      prepared.made ? draft.add_made(current, part, prepared.events.size() == 1) : draft.add(current);
    }
  }
  replay_->feed.take();
  if (draft.full(limits_of_draft())) seal_replay();
}

void DestinationLoop::seal_replay() {
  tend_beyond();
  Draft sealed = std::exchange(replay_->draft, {});
  const auto mark = kReplayMarks | replay_->low_water.add(replay_->feed.position(),
                                                          sealed.parcels.size() + sealed.letters.size(), sealed.oldest);
  bury(std::move(sealed.letters), mark);
  if (!sealed.parcels.empty()) dispatch(sealed.ship(mark));
}

void DestinationLoop::settle_replayed(LowWater::Mark mark, std::size_t events) {
  if (replay_) replay_->low_water.settle_if_known(mark & ~kReplayMarks, events);
}

// Writes down where it stands, now and then, and that it is over.
void DestinationLoop::tend_replay() {
  ReplayOrder& order = replay_->order;
  order.next = replay_->low_water.position();
  for (std::size_t p = 0; p < order.next.size(); ++p) order.next[p] = std::min(order.next[p], order.to[p]);
  if (!replay_->done()) return;
  const auto undecided = replay_->undecided;
  const auto skipped = replay_->skipped;
  log_at(undecided + skipped > 0 ? LogLevel::warning : LogLevel::info, "delivery",
         "destination {}: the replay of {} events is over{}{}", name_, order.total,
         skipped > 0 ? fmt::format("; {} of them were not sent, for retention had removed them", skipped) : "",
         undecided > 0
             ? fmt::format("; its `where` failed on {} of them, which were not sent: {}", undecided, replay_->undecided_for)
             : "");
  recorder_.save_replay(std::nullopt);
  recorder_.write();
  drop_replay();
}

void DestinationLoop::save_replay() {
  if (!replay_ || replay_->saved == replay_->order.next) return;
  replay_->saved = replay_->order.next;
  recorder_.save_replay(replay_->order);
  recorder_.write();
}

}  // namespace penstock::delivery
