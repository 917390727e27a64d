#pragma once
// What producer and consumer have in common: a client of librdkafka with its events, log lines, statistics and topics. Only
// for the .cc files of this folder: it brings librdkafka's header.

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/client_metrics.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/kafka/token_fetcher.h"

namespace penstock::kafka {

struct Deleter {
  void operator()(const rd_kafka_metadata_t* made) const { rd_kafka_metadata_destroy(made); }
  void operator()(rd_kafka_queue_t* made) const { rd_kafka_queue_destroy(made); }
  void operator()(rd_kafka_event_t* made) const { rd_kafka_event_destroy(made); }
  void operator()(rd_kafka_topic_partition_list_t* made) const { rd_kafka_topic_partition_list_destroy(made); }
};
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, Deleter>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Deleter>;
using Event = std::unique_ptr<rd_kafka_event_t, Deleter>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Deleter>;

// Any thread, but for start and the destructor.
class Client {
 public:
  // `owner` is the label of its metrics, and its name in the log: {"destination", "out"}.
  Client(telemetry::Labels::value_type owner, telemetry::Metrics* metrics);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // `on_reports` gets events of kind RD_KAFKA_EVENT_DR, on a thread of the client's.
  Result<void> start(Role role, const Settings& settings, std::move_only_function<void(Event)> on_reports = nullptr);
  // Before start, for a client that subscribes: librdkafka's code and its list of partitions, on the thread that polls the consumer.
  void on_rebalance(std::function<void(int, void*)> call) { on_rebalance_ = std::move(call); }
  static constexpr std::string_view kAllTopics = "*";  // no topic can have that name
  rd_kafka_t* get() const { return client_; }
  // Null when no topic can have that name. Lives as long as the client.
  rd_kafka_topic_t* topic(std::string_view name);
  // Of the brokers, and of one topic, all, or (empty) none. Waits for a broker, but no longer than needed to know why none answers. The error
  // is of kind unavailable, or stopped.
  Result<Metadata> metadata(const std::string& topic, Duration patience, const std::stop_token& stop);
  // The id of the cluster; empty: it has none. As metadata.
  Result<std::string> cluster(Duration patience, const std::stop_token& stop);
  // What went wrong last with the brokers, and whether one holds this client back: its answers come late then. Empty: nothing.
  std::string trouble() const;
  // A broker has done what it was asked for: what was wrong before is over.
  void answered();

 private:
  void on_event(Event event);
  void on_error(const Event& event);
  void on_throttle(std::string_view broker, int milliseconds);
  void on_log(int level, std::string_view facility, std::string_view text);
  std::string trouble_now() const;
  Result<void> prepare_tokens(const Settings& settings, rd_kafka_conf_t* conf);
  void take_token(const Result<Token>& token);

  const std::string name_;
  ClientMetrics metrics_;  // the client's thread
  std::move_only_function<void(Event)> on_reports_;  // the client's thread
  std::shared_ptr<TokenFetcher> tokens_;  // of the process; null: no tokens are needed
  TokenFetcher::Id token_place_ = 0;
  std::string token_principal_;
  std::vector<std::string> token_extensions_;
  std::function<void(int, void*)> on_rebalance_;
  rd_kafka_t* client_ = nullptr;
  Queue events_;  // what the client's thread takes from
  mutable std::mutex mutex_;
  std::map<std::string, rd_kafka_topic_t*, std::less<>> topics_;  // guarded by mutex_
  int trouble_code_ = 0;  // guarded by mutex_
  std::string trouble_;  // guarded by mutex_
  std::string held_back_;  // guarded by mutex_; counts until held_until_
  std::chrono::steady_clock::time_point held_until_{};  // guarded by mutex_
  std::mutex log_mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point, std::less<>> logged_;  // guarded by log_mutex_; what, and when last
};

}  // namespace penstock::kafka
