#pragma once
// The segments of one log and how far they are durable: written by the log's writer, asked by every reader. Thread-safe.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connectors/logs/local/segment_file.h"

namespace penstock::logs::local {

class SegmentTable {
 public:
  SegmentTable(std::string folder, std::vector<Segment> segments, std::vector<log_format::IndexEntry> index_of_last,
               std::uint64_t next_sequence, Offsets next);

  const std::string& folder() const { return folder_; }

  // --- the writer

  // Records up to `next_sequence` are durable; the last segment has `bytes` now. Wakes who waits.
  void publish(std::uint64_t next_sequence, const Offsets& next, std::uint64_t bytes,
               std::vector<log_format::IndexEntry> new_entries);
  // Seals the last segment and returns its index; `segment` is the last from now on.
  log_format::SegmentIndex roll(Segment segment);

  // --- retention

  // Forgets the oldest segment, if the limits let it go, and gives it to the caller, who removes its files, or puts it back.
  std::optional<Segment> take_oldest(const TrimLimits& limits);
  bool would_take(const TrimLimits& limits) const;
  void put_back(Segment segment);

  // --- readers

  std::uint64_t next_sequence() const { return next_sequence_.load(std::memory_order_acquire); }
  Offsets begin() const;
  Offsets end() const;
  std::uint64_t bytes() const;

  // All of it at one moment.
  struct Snapshot {
    std::vector<Segment> segments;  // oldest first; never empty
    std::uint64_t next_sequence = 0;
    Offsets next;
  };
  Snapshot snapshot() const;

  // How far a segment may be read, and what comes after it when it is sealed. nullopt: there is no such segment.
  struct Extent {
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> next_segment;
  };
  std::optional<Extent> extent(std::uint64_t first_sequence) const;

  // The newest segment that starts at or before what is looked for, if any does. `reached(sequence, offsets)` says whether
  // a record at that place is at or before it; true for all places up to one, false for all after.
  using Reached = std::function<bool(std::uint64_t sequence, const Offsets& next)>;
  struct Found {
    Segment segment;
    std::optional<std::uint64_t> next_segment;  // set: sealed
    std::vector<log_format::IndexEntry> index;  // of the last segment only
  };
  std::optional<Found> find(const Reached& reached) const;
  // The newest segment that was begun before `time`, if there is any.
  std::optional<Found> find_before(Timestamp time) const;

  // Until there is a record of that sequence or the deadline has come.
  void wait_for(std::uint64_t sequence, std::chrono::steady_clock::time_point deadline) const;

  // Indexes of sealed segments are read or made again by one thread at a time, and not while retention removes segments.
  std::mutex& index_mutex() const { return index_mutex_; }

 private:
  bool may_go(const TrimLimits& limits) const;  // the oldest; with mutex_ held
  std::optional<Found> found_before(std::vector<Segment>::const_iterator after) const;  // with mutex_ held

  const std::string folder_;
  mutable std::mutex index_mutex_;
  mutable std::mutex mutex_;
  mutable std::condition_variable published_;  // with mutex_
  std::vector<Segment> segments_;  // guarded by mutex_; oldest first
  std::vector<log_format::IndexEntry> index_of_last_;  // guarded by mutex_
  Offsets next_;  // guarded by mutex_
  std::atomic<std::uint64_t> next_sequence_;  // written under mutex_
};

}  // namespace penstock::logs::local
