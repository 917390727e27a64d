#pragma once
// Reads Kafka topics in place: they are the log, and how far each partition was read is part of ingest's commit. Hence every
// message comes exactly once, across restarts too, whatever Kafka knows of it; a consumer group may show
// how far it is, and tell where to begin, but holds nothing.
//
// An input partition is a partition of a topic, "orders/3"; its position is the offset of the message to be read next. Whenever its messages
// begin to come, the one before comes first, and is compared with what was read: a topic that was made anew under its name is read
// from its beginning, and the uuids derived from its places are others. Brokers that do
// not answer, topics that are not there and messages that are gone are warnings: the others go on. No more partitions are read
// at a time than `memory` allows; the others take turns with them.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sources/kafka/group_progress.h"
#include "connectors/sources/kafka/kafka_settings.h"
#include "connectors/sources/kafka/partition_finder.h"
#include "pipeline/ports/source.h"
#include "pipeline/registry/registry.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::sources::kafka {

class KafkaSource final : public PolledSource {
 public:
  using Config = kafka::Config;
  static constexpr std::string_view kSummary = "Reads Kafka topics, each message exactly once.";
  static constexpr std::string_view kExample =
      "brokers: [kafka-1:9092, kafka-2:9092]\n"
      "topics: [orders, clicks.*]\n"
      "from: latest\n";
  static Bytes memory(const Config& config) { return config.memory; }
  static bool needs_map(const Config& config) { return config.codec == Codec::raw; }
  static bool by_captured(const Config& config) { return config.key == KeyedBy::repartition; }
  // Into shares, each with the partitions of its number, and its part of the memory.
  static constexpr bool kDivisible = true;
  static constexpr Bytes kShareMemoryMin = 8_MiB;

  KafkaSource(Config config, const ConnectorContext& context);
  ~KafkaSource() override;

  // Does not wait for a broker.
  Result<void> open(const std::vector<SourcePosition>& stored) override;
  Result<PollState> poll(RawBatch& out, std::size_t bytes_max) override;
  // From the number of messages, as far as the client has heard, and the mean size of those that were read.
  std::optional<std::uint64_t> unread_bytes() override;
  void close() override;

  // Everything that there is was given. For tests.
  bool caught_up() const;

 private:
  struct Partition;

  Result<void> start_for(std::size_t expected);
  Result<void> take_news(std::vector<SourceWarning>& warnings);
  bool note_one(RawBatch& out);
  void try_troubled_again();
  void show_lag();
  telemetry::Gauge lag_of(const penstock::kafka::TopicPartition& at) const;
  void look_again_at(const std::string& topic, int partitions);
  void begin_what_may();
  bool turn_is_over(const Partition& partition) const;
  bool give_turn(Partition& partition);
  bool read(Partition& partition, RawBatch& out, std::size_t bytes_max);
  // Whether the message, or the end, shows that this is the topic that was read before; false: it is being found out where to read.
  bool is_same(Partition& partition, const penstock::kafka::Received& said);
  void find_again(Partition& partition, bool anew);
  struct Piece;
  Piece take(const penstock::kafka::Received& message, Partition& partition, RawBatch& out);
  void view(const std::vector<Piece>& pieces, RawBatch& out) const;
  void heed(Partition& partition, const penstock::kafka::Received& said, std::vector<SourceWarning>& warnings);
  void come_back(Partition& partition);
  void check_again(Partition& partition);
  void note_trouble(Partition& partition, std::string trouble);
  void stop(Partition& partition);

  const Config config_;
  const PartitionShare share_;
  const KafkaTopics own_topics_;
  const std::function<void(std::string)> trouble_;
  const std::string name_;
  const Clock& clock_;
  telemetry::Metrics* const metrics_;
  const telemetry::Counter tombstones_;
  const bool attachments_;

  std::vector<SourcePosition> stored_;
  std::size_t room_told_ = 0;  // what one fetch of a partition brings: when as much was taken there is room for another
  std::optional<penstock::kafka::Beginning> of_later_;  // since the first open
  std::size_t partitions_expected_ = 1;  // what the consumer was made for
  std::unique_ptr<penstock::kafka::Consumer> consumer_;
  std::map<penstock::kafka::TopicPartition, std::unique_ptr<Partition>> partitions_;
  std::deque<Partition*> turns_;  // who was read from last is at the end
  std::size_t active_ = 0;
  std::deque<std::string> topics_to_note_;  // that they are known is in no commit yet
  std::unique_ptr<PartitionFinder> finder_;  // ends before the consumer
  double mean_bytes_ = 0;
  SteadyTime lag_shown_{};
  std::unique_ptr<GroupProgress> progress_;  // null: no group shows it
};

}  // namespace penstock::sources::kafka
