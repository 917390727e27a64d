// How far it has come, written down: with every tick, and more often in the beginning, for a life may be shorter than a tick, and
// so may the next.
#include <algorithm>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"

namespace penstock::delivery {
namespace {

constexpr Duration kSaveEveryMin{100};
constexpr Duration kCursorSeenEvery{3'600'000};  // a cursor that does not move still says that its destination is there

}  // namespace

// A dead letter may be durable when the cursor that is to pass its event is not. A process that was killed then has the event read
// again, and it would go behind those that went because it was dead, or come back to somebody who has discarded it.
Result<bool> DestinationLoop::is_buried(const Feed::Current& current) const {
  if (current.offset >= buried_until_[static_cast<std::size_t>(current.partition)]) return false;
  auto buried = around_.store.was_buried(letter_for(current.view, current.partition, current.offset));
  // The store has told of the damage. To deliver something again is better than to stand still.
  if (!buried && buried.error().kind == ErrorKind::corrupt) return false;
  return buried;
}

// When a cursor that has moved is to be saved without waiting for a tick. The first settled is at once; then no more than an eighth of
// the life so far may have to be delivered again.
std::optional<SteadyTime> DestinationLoop::cursor_due() const {
  if (low_water_.position() == saved_cursor_ || saved_cursor_.empty()) return std::nullopt;
  if (saved_cursor_ == started_at_) return cursor_saved_at_;
  const auto every = std::max<SteadyTime::duration>(kSaveEveryMin, (cursor_saved_at_ - began_at_) / 8);
  if (every >= kTick) return std::nullopt;
  return cursor_saved_at_ + every;
}

void DestinationLoop::save_cursor_if_due() {
  const auto due = cursor_due();
  if (due && *due <= around_.clock.steady()) save_cursor_if_moved();
}

void DestinationLoop::save_cursor_if_moved() {
  const auto now = around_.clock.steady();
  if (low_water_.position() != saved_cursor_ || now - cursor_saved_at_ >= kCursorSeenEvery) {
    saved_cursor_ = low_water_.position();
    cursor_saved_at_ = now;
    recorder_.save_cursor(saved_cursor_);
    recorder_.write();
  }
  const bool failing = recorder_.cursor_failure().has_value();
  if (failing && !cursor_failure_told_) {
    log_warning("delivery", "the cursor of destination {} cannot be saved, so a restart would deliver events again: {}",
                name_, recorder_.cursor_failure()->message);
  }
  cursor_failure_told_ = failing;
}

}  // namespace penstock::delivery
