// What people see of the source while it reads: how far it is behind, and what is wrong.
#include <utility>

#include "connectors/sources/kafka/kafka_partition.h"
#include "connectors/sources/kafka/kafka_source.h"

namespace penstock::sources::kafka {
namespace {

using penstock::kafka::TopicPartition;

constexpr Duration kTroubledAgain{5000};
constexpr Duration kLagShownEvery{1000};

}  // namespace

telemetry::Gauge KafkaSource::lag_of(const TopicPartition& at) const {
  return metrics_->gauge(
      "penstock_source_lag_messages",
      "Messages of a topic's partition that ingest has not read yet, for up to 1000 partitions of a source.",
      {{"source", name_}, {"topic", at.topic}, {"partition", std::to_string(at.partition)}});
}

void KafkaSource::show_lag() {
  const auto now = clock_.steady();
  if (now - lag_shown_ < kLagShownEvery) return;
  lag_shown_ = now;
  for (const auto& [at, partition] : partitions_) {
    const auto behind = partition->gone ? 0 : consumer_->behind(at, partition->next.offset);
    if (behind) partition->lag.set(static_cast<double>(*behind));
  }
}

// The client says that something is wrong, and nothing when it is over and there is no message.
void KafkaSource::try_troubled_again() {
  for (auto* each : turns_) {
    if (each->trouble.empty() || !each->active || each->gone || clock_.steady() - each->troubled < kTroubledAgain) continue;
    each->troubled = clock_.steady();
    check_again(*each);
  }
}

// That a topic is gone is wrong only where it is named, and then its finder says so.
void KafkaSource::note_trouble(Partition& partition, std::string trouble) {
  if (trouble == partition.trouble) return;
  partition.trouble = std::move(trouble);
  finder_->note_trouble(partition.at, partition.gone ? std::string() : partition.trouble);
}

std::optional<std::uint64_t> KafkaSource::unread_bytes() {
  if (!consumer_ || partitions_.empty()) return std::nullopt;
  double bytes = 0;
  for (const auto& [at, partition] : partitions_) {
    const auto behind = consumer_->behind(at, partition->next.offset);
    if (!behind) return std::nullopt;
    bytes += static_cast<double>(*behind) * mean_bytes_;
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace penstock::sources::kafka
