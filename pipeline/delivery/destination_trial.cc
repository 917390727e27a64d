// A trial of apps that failed before. What waits is run through them first for the verdict alone, lane by lane, and nothing of it is
// kept: apps of a destination are functions of the event, so what they do well with comes out the same when it is read in earnest.
// If they fail again, nothing has moved. What came after the verdict was not looked at, so it has a rehearsal of its own while there
// were too few events to trust the apps again.
#include <utility>

#include "pipeline/delivery/destination_loop.h"

namespace penstock::delivery {
namespace {

constexpr std::chrono::milliseconds kSlice{5};

}  // namespace

void DestinationLoop::rehearse() {
  if (!preparation_.rehearsing() && !preparation_.on_trial()) return forget_rehearsed();
  const SteadyTime now = around_.clock.steady();
  if (paused_ || suspended_until_ || (read_failure_ && now < read_again_at_)) return;
  if (!preparation_.rehearsing()) preparation_.begin_rehearsal();
  const auto all = rehearse_all(now + kSlice);
  if (!all) read_failed(all.error().context("cannot read the log"));
  if (all && !*all && preparation_.on_trial()) return wake();
  preparation_.end_rehearsal();
  if (!preparation_.on_trial()) return forget_rehearsed();
  ahead_->let_go();
  if (replay_ && replay_->ahead) replay_->ahead->let_go();
}

void DestinationLoop::forget_rehearsed() {
  ahead_.reset();
  if (replay_) replay_->ahead.reset();
  if (again_) again_->rehearsed = 0;
}

// True when all that waits was run; false when there is a verdict, or the time is over.
Result<bool> DestinationLoop::rehearse_all(SteadyTime until) {
  if (!ahead_) ahead_.emplace(around_.log, filter_, feed_.position());
  TRY_ASSIGN(const bool live, rehearse_lane(*ahead_, nullptr, until));
  if (!live) return false;
  if (replay_) {
    if (!replay_->ahead) replay_->ahead.emplace(around_.log, filter_, replay_->feed.position());
    const auto replayed = rehearse_lane(*replay_->ahead, replay_.get(), until);
    if (!replayed) replay_failed(replayed.error());
    else if (!*replayed) return false;
  }
  return rehearse_again(until);
}

// `of`: null for what is live.
Result<bool> DestinationLoop::rehearse_lane(Feed& ahead, Replay* of, SteadyTime until) {
  while (preparation_.on_trial() && around_.clock.steady() < until) {
    if (of != nullptr && of->ends_before(ahead.position())) return true;
    TRY_ASSIGN(const auto step, ahead.next());
    if (step == Feed::Step::end) return true;
    if (step != Feed::Step::event) continue;
    const Feed::Current& current = ahead.current();
    if (of == nullptr) preparation_.prepare(current.view);
    else if (of->has(current)) preparation_.prepare_replayed(current.view, of->where);
    ahead.take();
  }
  return false;
}

bool DestinationLoop::may_take(const Feed::Current& current, const std::optional<Feed>& ahead) const {
  if (!preparation_.on_trial()) return true;
  return ahead && current.offset < ahead->position()[static_cast<std::size_t>(current.partition)];
}

}  // namespace penstock::delivery
