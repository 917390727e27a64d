#include "connectors/logs/local/segment_table.h"

#include <algorithm>

namespace penstock::logs::local {

SegmentTable::SegmentTable(std::string folder, std::vector<Segment> segments,
                           std::vector<log_format::IndexEntry> index_of_last, std::uint64_t next_sequence, Offsets next)
    : folder_(std::move(folder)), segments_(std::move(segments)), index_of_last_(std::move(index_of_last)),
      next_(std::move(next)), next_sequence_(next_sequence) {}

void SegmentTable::publish(std::uint64_t next_sequence, const Offsets& next, std::uint64_t bytes,
                           std::vector<log_format::IndexEntry> new_entries) {
  {
    const std::lock_guard lock(mutex_);
    segments_.back().bytes = bytes;
    for (auto& entry : new_entries) index_of_last_.push_back(std::move(entry));
    next_ = next;
    next_sequence_.store(next_sequence, std::memory_order_release);
  }
  published_.notify_all();
}

log_format::SegmentIndex SegmentTable::roll(Segment segment) {
  const std::lock_guard lock(mutex_);
  const Segment& sealed = segments_.back();
  log_format::SegmentIndex index{.partitions = static_cast<int>(sealed.start.size()),
                                 .first_sequence = sealed.first_sequence,
                                 .next_sequence = segment.first_sequence,
                                 .segment_bytes = sealed.bytes,
                                 .entries = std::move(index_of_last_)};
  index_of_last_.clear();
  segments_.push_back(std::move(segment));
  return index;
}

Offsets SegmentTable::begin() const {
  const std::lock_guard lock(mutex_);
  return segments_.front().start;
}

Offsets SegmentTable::end() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

std::uint64_t SegmentTable::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

SegmentTable::Snapshot SegmentTable::snapshot() const {
  const std::lock_guard lock(mutex_);
  return {segments_, next_sequence(), next_};
}

std::optional<SegmentTable::Extent> SegmentTable::extent(std::uint64_t first_sequence) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::lower_bound(segments_, first_sequence, {}, &Segment::first_sequence);
  if (it == segments_.end() || it->first_sequence != first_sequence) return std::nullopt;
  Extent extent{it->bytes, std::nullopt};
  if (std::next(it) != segments_.end()) extent.next_segment = std::next(it)->first_sequence;
  return extent;
}

std::optional<SegmentTable::Found> SegmentTable::found_before(std::vector<Segment>::const_iterator after) const {
  if (after == segments_.begin()) return std::nullopt;
  Found found{*std::prev(after), std::nullopt, {}};
  if (after == segments_.end()) {
    found.index = index_of_last_;
  } else {
    found.next_segment = after->first_sequence;
  }
  return found;
}

std::optional<SegmentTable::Found> SegmentTable::find(const Reached& reached) const {
  const std::lock_guard lock(mutex_);
  return found_before(std::ranges::partition_point(
      segments_, [&](const Segment& segment) { return reached(segment.first_sequence, segment.start); }));
}

std::optional<SegmentTable::Found> SegmentTable::find_before(Timestamp time) const {
  const std::lock_guard lock(mutex_);
  return found_before(
      std::ranges::partition_point(segments_, [&](const Segment& segment) { return segment.created < time; }));
}

bool SegmentTable::may_go(const TrimLimits& limits) const {
  if (segments_.size() < 2) return false;
  const Segment& next = segments_[1];
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes;
  // Everything in a segment was appended before the next one was begun.
  const bool unwanted = bytes > limits.bytes_max || next.created < limits.older_than;
  if (!unwanted || next.first_sequence > limits.before_sequence) return false;
  for (std::size_t p = 0; p < limits.keep_from.size(); ++p) {
    if (next.start[p] > limits.keep_from[p]) return false;
  }
  return true;
}

bool SegmentTable::would_take(const TrimLimits& limits) const {
  const std::lock_guard lock(mutex_);
  return may_go(limits);
}

std::optional<Segment> SegmentTable::take_oldest(const TrimLimits& limits) {
  const std::lock_guard lock(mutex_);
  if (!may_go(limits)) return std::nullopt;
  Segment oldest = std::move(segments_.front());
  segments_.erase(segments_.begin());
  return oldest;
}

void SegmentTable::put_back(Segment segment) {
  const std::lock_guard lock(mutex_);
  segments_.insert(segments_.begin(), std::move(segment));
}

void SegmentTable::wait_for(std::uint64_t sequence, std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  published_.wait_until(lock, deadline, [&] { return next_sequence() > sequence; });
}

}  // namespace penstock::logs::local
