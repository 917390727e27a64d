#include "pipeline/delivery/low_water.h"

#include <iterator>
#include <utility>

#include "pipeline/base/check.h"

namespace penstock::delivery {

LowWater::Mark LowWater::add(Offsets after, std::size_t unsettled, Timestamp oldest) {
  CHECK(unsettled > 0);
  entries_.emplace_hint(entries_.end(), ++last_, Entry{std::move(after), unsettled, oldest});
  ++unsettled_marks_;
  return last_;
}

void LowWater::settle(Mark mark, std::size_t events) {
  if (events == 0) return;
  const auto it = entries_.find(mark);
  CHECK(it != entries_.end() && it->second.unsettled >= events);
  it->second.unsettled -= events;
  if (it->second.unsettled > 0) return;
  --unsettled_marks_;
  if (it == entries_.begin()) {
    position_ = std::move(it->second.after);
    entries_.erase(it);
    // What was behind it is at most one settled entry, thanks to merging.
    if (!entries_.empty() && entries_.begin()->second.unsettled == 0) {
      position_ = std::move(entries_.begin()->second.after);
      entries_.erase(entries_.begin());
    }
    return;
  }
  if (const auto next = std::next(it); next != entries_.end() && next->second.unsettled == 0) {
    it->second.after = std::move(next->second.after);
    entries_.erase(next);
  }
  if (const auto before = std::prev(it); before->second.unsettled == 0) {
    before->second.after = std::move(it->second.after);
    entries_.erase(it);
  }
}

void LowWater::pass(const Offsets& position) { (entries_.empty() ? position_ : entries_.rbegin()->second.after) = position; }

std::optional<Timestamp> LowWater::oldest_unsettled() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.begin()->second.oldest;  // the front is never a settled one
}

}  // namespace penstock::delivery
