#pragma once
// Writes events as messages of Kafka topics: at least once, with an idempotent producer, so that only what delivery sends
// again comes twice. Each event has its own outcome, from the client's report of its message; pipeline/kafka/outcomes.h says what
// an error means.
//
// The values of messages are the events' own bytes, which their batch keeps until the last of its reports. So what waits in the
// client is delivery's window, and nothing more.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/destinations/kafka/kafka_settings.h"
#include "pipeline/event/fact_template.h"
#include "pipeline/kafka/producer.h"
#include "pipeline/ports/destination.h"
#include "pipeline/registry/registry.h"

namespace penstock::destinations::kafka {

class KafkaDestination final : public Destination {
 public:
  using Config = kafka::Config;
  static constexpr std::string_view kSummary = "Writes events to Kafka topics, keyed, with an idempotent producer.";
  static constexpr std::string_view kExample =
      "brokers: [kafka-1:9092, kafka-2:9092]\n"
      "topic: shop.{event}\n"
      "headers: { uuid: \"{uuid}\" }\n"
      "compression: lz4\n"
      "client: { linger.ms: 20 }\n";

  KafkaDestination(Config config, const ConnectorContext& context);
  ~KafkaDestination() override;

  // A broker answers, and a topic without facts in its name is there.
  Result<void> connect(std::stop_token stop) override;
  void submit(Batch batch, Completion done) override;
  // Does not wait for brokers: what has no answer yet is unavailable, though it may have been written.
  void close() override;
  std::string trouble() const override;

 private:
  struct Slot;
  struct Flight;
  struct Draft;
  using Flights = std::vector<std::unique_ptr<Flight>>;

  Result<void> open(const TopicLimits& limits);
  void destroy_producer();
  // False after close().
  bool begin(std::unique_ptr<Flight>& flight);
  // Into `name`; an error when it cannot be a topic's, or would be one too many.
  Result<void> name_topic(const Facts& facts, std::string& name);
  // Nothing when a report will follow.
  std::optional<Outcome> send(penstock::kafka::Producer& producer, Slot& slot, Draft& draft);
  // `alone`: of messages that had a batch of records each to themselves.
  void on_reports(std::span<const penstock::kafka::Report> reports, bool alone);
  // Refused with others of its batch: now by itself. `refused` is what becomes of it where that cannot be.
  void send_alone(Slot& slot);
  // Null: there is none now, and there will be none.
  penstock::kafka::Producer* lone_producer();
  Outcome outcome_of(int code, const EventView& event) const;
  // One of those that `flight` waits for has come; with the last it moves to `finished`. With the mutex.
  void count_down(Flight& flight, Flights& finished);
  void finish(Flights finished);

  const Config config_;
  const std::string name_;
  telemetry::Metrics* const metrics_;
  const FactTemplate topic_;
  const FactTemplate key_;
  const std::vector<std::pair<std::string, FactTemplate>> headers_;
  const std::string only_topic_;  // empty when its name has facts in it

  mutable std::mutex mutex_;
  std::condition_variable all_settled_;  // with mutex_
  TopicLimits limits_;  // guarded by mutex_; that the producer was made for
  std::unique_ptr<penstock::kafka::Producer> producer_;  // guarded by mutex_, not what it does; kept while unsettled_
  std::unique_ptr<penstock::kafka::Producer> lone_producer_;  // likewise; null until a message has to be alone
  std::map<const Flight*, std::unique_ptr<Flight>> in_flight_;  // guarded by mutex_, and what changes in them
  std::size_t unsettled_ = 0;  // guarded by mutex_; batches
  std::set<std::string, std::less<>> topics_;  // guarded by mutex_; names with facts in them
  bool open_ = false;  // guarded by mutex_; connect() was called, close() was not
};

}  // namespace penstock::destinations::kafka
