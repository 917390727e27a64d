#pragma once
// The newest of `events`, read once for all who stand there: ten destinations at the end of the log are one consumer. Whoever has fallen
// behind what is kept reads by himself until he is near again. It never waits for anybody.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "connectors/logs/kafka/event_reader.h"
#include "pipeline/base/bytes.h"

namespace penstock::logs::kafka {

// Thread-safe.
class EventTail {
 public:
  // Begins at the present end. `reach` and `memory` outlive it.
  EventTail(const Config& config, Reach& reach, MemoryBudget* memory, Bytes kept_max);
  ~EventTail();
  EventTail(const EventTail&) = delete;
  EventTail& operator=(const EventTail&) = delete;

  using Record = std::shared_ptr<const StoredRecord>;
  // The number of the record from which on somebody who has read up to `position` finds all that he has not, and perhaps some that
  // he has. Nullopt: it is no longer kept.
  std::optional<std::uint64_t> join(const Offsets& position) const;
  struct Look {
    Record record;
    bool gone = false;  // it is no longer kept
  };
  // Neither: it has not come yet.
  Look at(std::uint64_t number) const;
  void wait_for(std::uint64_t number, std::chrono::steady_clock::time_point deadline) const;

 private:
  void run(const std::stop_token& stop);
  void keep(Record record);
  void forget();

  const Config config_;
  Reach& reach_;
  MemoryBudget* const memory_;
  const Bytes kept_max_;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any come_;  // with mutex_
  // Guarded by mutex_.
  std::deque<Record> kept_;
  std::uint64_t first_ = 0;  // its number
  std::size_t bytes_ = 0;
  Offsets begin_;  // of what is kept
  Offsets end_;

  std::jthread thread_;
};

// Reads with others at the tail, and alone behind it.
class SharedReader final : public LogReader {
 public:
  SharedReader(const Config& config, Reach& reach, MemoryBudget* memory, std::shared_ptr<EventTail> tail, Offsets start)
      : config_(config), reach_(reach), memory_(memory), tail_(std::move(tail)), position_(std::move(start)) {}

  // As EventReader.
  Result<std::shared_ptr<const StoredRecord>> next() override;
  void wait(std::chrono::steady_clock::time_point deadline) override { reach_.wait_beyond(position_, deadline); }

 private:
  using Record = EventTail::Record;
  bool try_to_join();
  Result<std::optional<Record>> next_of_tail();
  Result<Record> next_alone();
  void pass(const StoredRecord& record);

  const Config& config_;
  Reach& reach_;
  MemoryBudget* const memory_;
  const std::shared_ptr<EventTail> tail_;
  Offsets position_;
  std::optional<std::uint64_t> number_;  // in the tail
  std::unique_ptr<LogReader> alone_;
};

}  // namespace penstock::logs::kafka
