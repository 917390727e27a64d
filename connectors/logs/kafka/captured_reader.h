#pragma once
// Reads `captured`, record by record, for one share of the partitions. A client of its own.

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/reach.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

class CapturedReader final : public LogReader {
 public:
  // `reach` and `memory` (which may be null) outlive it. Records that have nothing from `start` on are passed over.
  static Result<std::unique_ptr<LogReader>> open(const Config& config, Reach& reach, MemoryBudget* memory,
                                                 std::uint64_t sequence, PartitionShare share, Offsets start = {});

  // Waits for records that are known to be there; unavailable: they did not come. What other processes have written comes when the
  // client has it.
  Result<std::shared_ptr<const StoredRecord>> next() override;
  void wait(std::chrono::steady_clock::time_point deadline) override { reach_.wait_beyond(next_sequence_, deadline); }

 private:
  CapturedReader(std::string topic, std::unique_ptr<penstock::kafka::Consumer> consumer, Reach& reach, MemoryBudget* memory,
                 std::uint64_t sequence, PartitionShare share, bool others_write, Offsets start)
      : topic_(std::move(topic)), consumer_(std::move(consumer)), reach_(reach), memory_(memory), share_(share),
        others_write_(others_write), start_(std::move(start)), next_sequence_(sequence) {}
  Result<void> heed_others(Offsets next);
  Result<void> take(Duration patience);
  bool is_wanted(const StoredRecord& record) const;

  const std::string topic_;
  const std::unique_ptr<penstock::kafka::Consumer> consumer_;
  Reach& reach_;
  MemoryBudget* const memory_;
  const PartitionShare share_;
  const bool others_write_;
  const Offsets start_;
  std::uint64_t next_sequence_;
  std::deque<penstock::kafka::Received> received_;
};

}  // namespace penstock::logs::kafka
