#pragma once
// Events of the log that a destination gets once more, beside what is live: a stretch between two places, at a rate, of those
// that a condition wants. One at a time for each destination. It has a cursor of its own in the store, so a restart goes on with
// it; like every redelivery it may repeat the last second after a crash. Its events say that they are replayed.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/delivery/draft.h"
#include "pipeline/delivery/feed.h"
#include "pipeline/delivery/low_water.h"
#include "pipeline/delivery/preparation.h"
#include "pipeline/delivery/token_bucket.h"
#include "pipeline/ports/log.h"

namespace penstock::delivery {

// As the store keeps it.
struct ReplayOrder {
  Offsets next;  // where it stands: everything before was settled
  Offsets to;  // and where it ends
  std::string where;  // a condition as in `when:`; empty: every event
  int rate = 0;  // events a second; 0: no limit but the destination's own
  std::uint64_t total = 0;  // events there were when it began, whatever the condition says

  std::uint64_t left() const;
  // What of the log must stay for a destination that stands at `cursor` and has this replay.
  Offsets needs(Offsets cursor) const;
  friend bool operator==(const ReplayOrder&, const ReplayOrder&) = default;
};

std::string encode(const ReplayOrder& order);
Result<ReplayOrder> decode_replay(std::string_view stored);

// What runs, on the destination's strand.
struct Replay {
  // Its marks are above `after`: what an earlier replay left in flight is never mistaken for its own.
  Replay(ReplayOrder given, When condition, Log& log, const EventFilter& filter, LowWater::Mark after)
      : order(std::move(given)), where(std::move(condition)), feed(log, filter, order.next, order.to),
        low_water(order.next, after), marks_after(after), tokens(static_cast<std::uint64_t>(order.rate)) {}

  // Nothing lies between where reading stands and the end.
  bool read_all() const { return ends_before(feed.position()); }
  bool ends_before(const Offsets& position) const;
  bool has(const Feed::Current& event) const { return event.offset < order.to[static_cast<std::size_t>(event.partition)]; }
  bool done() const { return read_all() && draft.empty() && low_water.unsettled_marks() == 0; }

  ReplayOrder order;
  std::string stopped;  // why it cannot go on: its stretch of the log cannot be read; empty: it can
  int failures = 0;  // of reading, in a row
  std::optional<SteadyTime> read_again_at;
  When where;
  Feed feed;
  std::optional<Feed> ahead;  // while apps are on trial: how far events were run through them
  LowWater low_water;
  const LowWater::Mark marks_after;
  Draft draft;
  TokenBucket tokens;
  std::optional<SteadyTime> tokens_at;
  Offsets saved;
  std::uint64_t undecided = 0;  // events on which `where` failed, since the process started
  std::string undecided_for;  // the first one's reason
  std::uint64_t skipped = 0;  // events that retention removed before they were read, since the process started
};

}  // namespace penstock::delivery
