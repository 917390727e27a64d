#include "pipeline/kafka/client_metrics.h"

#include <simdjson.h>

#include <utility>

namespace penstock::kafka {
namespace {

using simdjson::dom::element;

double number(const element& object, std::string_view pointer, double unit = 1) {
  double value = 0;
  return object.at_pointer(pointer).get(value) == simdjson::SUCCESS ? value * unit : 0;
}

std::string text(const element& object, std::string_view key) {
  std::string_view value;
  return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

struct Queued {
  double messages = 0;
  double bytes = 0;
};

// By a consumer, of all partitions.
Queued fetched_ahead(const element& stats) {
  Queued all;
  simdjson::dom::object topics;
  if (stats["topics"].get(topics) != simdjson::SUCCESS) return all;
  for (const auto& [name, topic] : topics) {
    simdjson::dom::object partitions;
    if (topic["partitions"].get(partitions) != simdjson::SUCCESS) continue;
    for (const auto& [number_of, partition] : partitions) {
      all.messages += number(partition, "/fetchq_cnt");
      all.bytes += number(partition, "/fetchq_size");
    }
  }
  return all;
}

constexpr double kMicrosecond = 1e-6;
constexpr double kMillisecond = 1e-3;

}  // namespace

ClientMetrics::ClientMetrics(telemetry::Metrics* metrics, telemetry::Labels::value_type owner)
    : metrics_(metrics), owner_(std::move(owner)) {
  if (metrics_ == nullptr) return;
  messages_ =
      metrics_->gauge("penstock_kafka_queue_messages",
                      "Messages in the Kafka client: no broker has confirmed them, or they were fetched ahead.", {owner_});
  bytes_ = metrics_->gauge("penstock_kafka_queue_bytes", "Bytes of the messages in the Kafka client.", {owner_});
}

ClientMetrics::~ClientMetrics() {
  messages_.set(0);
  bytes_.set(0);
  for (const auto& [address, gauges] : brokers_) {
    gauges.up.set(0);
    gauges.requests.set(0);
  }
}

void ClientMetrics::take(std::string_view json) {
  if (metrics_ == nullptr) return;
  simdjson::dom::parser parser;
  element stats;
  if (parser.parse(json.data(), json.size()).get(stats) != simdjson::SUCCESS) return;
  const Queued fetched = fetched_ahead(stats);
  messages_.set(number(stats, "/msg_cnt") + fetched.messages);
  bytes_.set(number(stats, "/msg_size") + fetched.bytes);
  simdjson::dom::object brokers;
  if (stats["brokers"].get(brokers) != simdjson::SUCCESS) return;
  for (const auto& [name, each] : brokers) {
    const auto address = text(each, "nodename");
    if (address.empty() || address == ":0" || text(each, "source") == "internal")
      continue;  // a coordinator: one of the others
    Broker& gauges = broker(address);
    gauges.up.set(text(each, "state") == "UP" ? 1 : 0);
    gauges.round_trip_seconds.set(number(each, "/rtt/avg", kMicrosecond));
    gauges.requests.set(number(each, "/outbuf_cnt") + number(each, "/waitresp_cnt"));
    gauges.throttle_seconds.set(number(each, "/throttle/avg", kMillisecond));
  }
}

ClientMetrics::Broker& ClientMetrics::broker(const std::string& address) {
  if (const auto known = brokers_.find(address); known != brokers_.end()) return known->second;
  const telemetry::Labels labels{{"broker", address}, owner_};
  return brokers_
      .emplace(
          address,
          Broker{metrics_->gauge("penstock_kafka_broker_up", "1 while the client is connected to the broker.", labels),
                 metrics_->gauge("penstock_kafka_broker_round_trip_seconds",
                                 "Time from a request to the broker's answer, the average of the last interval.", labels),
                 metrics_->gauge("penstock_kafka_broker_requests", "Requests to the broker without an answer.", labels),
                 metrics_->gauge("penstock_kafka_broker_throttle_seconds",
                                 "How long the broker asked the client to wait, the average of the last interval.", labels)})
      .first->second;
}

}  // namespace penstock::kafka
