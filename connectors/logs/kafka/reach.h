#pragma once
// From where to where one log reaches, as far as this process knows; and who waits for more of it. Thread-safe.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "connectors/logs/kafka/foreign_messages.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

class Reach {
 public:
  // Without `metrics` nothing is counted.
  explicit Reach(int partitions, telemetry::Metrics* metrics = nullptr)
      : foreign_(partitions, metrics), begin_(static_cast<std::size_t>(partitions), 0),
        end_(static_cast<std::size_t>(partitions), 0) {}

  ForeignMessages& foreign() { return foreign_; }

  Offsets begin() const {
    const std::lock_guard lock(mutex_);
    return begin_;
  }
  Offsets end() const {
    const std::lock_guard lock(mutex_);
    return end_;
  }
  std::uint64_t next_sequence() const {
    const std::lock_guard lock(mutex_);
    return next_sequence_;
  }

  void begin_at(std::size_t partition, std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    begin_[partition] = std::max(begin_[partition], offset);
  }
  // What is durable; nothing goes back.
  void grow(const Offsets& end, std::uint64_t next_sequence) {
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t p = 0; p < end_.size(); ++p) end_[p] = std::max(end_[p], end[p]);
      next_sequence_ = std::max(next_sequence_, next_sequence);
    }
    grown_.notify_all();
  }
  // Until there is something after `seen`, or the deadline.
  void wait_beyond(const Offsets& seen, std::chrono::steady_clock::time_point deadline) const {
    std::unique_lock lock(mutex_);
    grown_.wait_until(lock, deadline, [&] { return is_beyond(seen); });
  }
  void wait_beyond(std::uint64_t sequence, std::chrono::steady_clock::time_point deadline) const {
    std::unique_lock lock(mutex_);
    grown_.wait_until(lock, deadline, [&] { return next_sequence_ > sequence; });
  }

 private:
  bool is_beyond(const Offsets& seen) const {
    for (std::size_t p = 0; p < end_.size(); ++p)
      if (end_[p] > seen[p]) return true;
    return false;
  }

  ForeignMessages foreign_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  // Guarded by mutex_.
  Offsets begin_;
  Offsets end_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace penstock::logs::kafka
