#pragma once
// Reads the topic `state`: the newest commit, and records from one on. Each reader has a client of its own.

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "connectors/logs/kafka/reach.h"
#include "connectors/logs/kafka/state_rows.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::kafka {

// What the newest commit says; all zero: there is none. Blocks. `consumer` reads nothing else meanwhile.
Result<Commit> newest_commit(penstock::kafka::Consumer& consumer, const penstock::kafka::TopicPartition& at);

class StateReader final : public LogReader {
 public:
  // From that record of the shard on; blocks while it looks for it. `reach` is the shard's, and outlives it.
  static Result<std::unique_ptr<LogReader>> open(const Config& config, Reach& reach, int shard, std::uint64_t sequence);

  // Waits for records that are known to be there; unavailable: they did not come.
  Result<std::shared_ptr<const StoredRecord>> next() override;
  void wait(std::chrono::steady_clock::time_point deadline) override { reach_.wait_beyond(next_sequence_ - 1, deadline); }

 private:
  StateReader(std::string topic, std::unique_ptr<penstock::kafka::Consumer> consumer, Reach& reach, std::uint64_t sequence)
      : topic_(std::move(topic)), consumer_(std::move(consumer)), reach_(reach), assembler_(sequence),
        next_sequence_(sequence) {}

  const std::string topic_;
  const std::unique_ptr<penstock::kafka::Consumer> consumer_;
  Reach& reach_;
  RecordAssembler assembler_;
  std::uint64_t next_sequence_;
  std::vector<penstock::kafka::Received> received_;
  std::deque<RecordAssembler::Record> ready_;
};

}  // namespace penstock::logs::kafka
