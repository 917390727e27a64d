#pragma once
// How far a destination has settled everything, in reading order. What was read together is one mark; marks settle in any
// order, the position moves only over settled ones at the front. Lives on one strand.

#include <cstdint>
#include <map>
#include <optional>

#include "pipeline/ports/log.h"

namespace penstock::delivery {

class LowWater {
 public:
  using Mark = std::uint64_t;

  // Marks are above `marks_after`.
  explicit LowWater(Offsets start, Mark marks_after = 0) : position_(std::move(start)), last_(marks_after) {}

  // `unsettled` events (at least one) were read since the last mark, the oldest received at `oldest`, and reading stands at
  // `after`. Marks come in rising order.
  Mark add(Offsets after, std::size_t unsettled, Timestamp oldest);
  void settle(Mark mark, std::size_t events);
  // The same; one that was never given, or is settled, is passed over.
  void settle_if_known(Mark mark, std::size_t events) {
    const auto it = entries_.find(mark);
    if (it != entries_.end() && it->second.unsettled >= events) settle(mark, events);
  }
  // Reading has come to `position` and nothing between the last mark and there is left to settle.
  void pass(const Offsets& position);

  // Everything before it is settled.
  const Offsets& position() const { return position_; }
  // The newest mark that was given.
  Mark last() const { return last_; }
  std::optional<Timestamp> oldest_unsettled() const;
  std::size_t unsettled_marks() const { return unsettled_marks_; }

 private:
  struct Entry {
    Offsets after;
    std::size_t unsettled = 0;
    Timestamp oldest;
  };

  Offsets position_;
  // Only unsettled ones, and settled ones behind an unsettled one; neighbours that are settled are merged, so that a front
  // that stays for an hour costs one entry and not one per batch.
  std::map<Mark, Entry> entries_;
  Mark last_;
  std::size_t unsettled_marks_ = 0;
};

}  // namespace penstock::delivery
