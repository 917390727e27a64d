#pragma once
// Reads `events` by offset: the messages of all its partitions, gathered into chunks. A client of its own.

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "connectors/logs/kafka/event_message.h"
#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/reach.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

class EventReader final : public LogReader {
 public:
  // `reach` and `memory` (which may be null) outlive it. `start` has an offset for every partition.
  static Result<std::unique_ptr<LogReader>> open(const Config& config, Reach& reach, MemoryBudget* memory, Offsets start);
  static Result<std::unique_ptr<EventReader>> open_one(const Config& config, Reach& reach, MemoryBudget* memory,
                                                       Offsets start);

  // Waits for events that are known to be there; unavailable: they did not come.
  Result<std::shared_ptr<const StoredRecord>> next() override;
  // The same for what is not known to be there: null when nothing came within that time.
  Result<std::shared_ptr<const StoredRecord>> next_within(Duration patience);
  void wait(std::chrono::steady_clock::time_point deadline) override { reach_.wait_beyond(next_, deadline); }

 private:
  using Received = penstock::kafka::Received;
  EventReader(const Config& config, std::unique_ptr<penstock::kafka::Consumer> consumer, Reach& reach, MemoryBudget* memory,
              Offsets start);
  Result<void> take(Duration patience);
  Result<void> heed(const Received& said);
  Result<void> add(const Received& message);
  void close_record();
  bool is_before(const Offsets& end) const;

  const std::string topic_;
  const std::unique_ptr<penstock::kafka::Consumer> consumer_;
  Reach& reach_;
  MemoryBudget* const memory_;
  EventDecoder decoder_;
  Offsets next_;
  Offsets told_;  // the last record's
  std::vector<Received> received_;
  std::deque<std::shared_ptr<const StoredRecord>> ready_;
  ChunkGatherer gathered_;  // one run of offsets
  int partition_ = 0;  // of it
  std::uint64_t base_ = 0;
  Timestamp written_at_;  // the latest of them
};

}  // namespace penstock::logs::kafka
