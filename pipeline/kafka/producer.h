#pragma once
// Messages in, one report for each. librdkafka, with nothing of its header here.
//
// It has threads of its own: one for each broker, and one that calls `on_reports`. Nothing waits in send(); how much waits in
// the client is for the caller to bound, by the messages it has no report of yet. Log lines of the client are ours, its
// statistics are metrics.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::kafka {

struct Message {
  std::string_view topic;  // copied, as all but the value
  std::optional<std::string_view> key;  // without one the client chooses the partition
  std::string_view value;  // must stay where it is until the report
  std::span<const std::pair<std::string, std::string>> headers;
  Timestamp timestamp;
  void* tag = nullptr;  // comes back in the report
};

struct Report {
  void* tag = nullptr;
  int code = 0;  // librdkafka's rd_kafka_resp_err_t; 0: it is written
  std::uint64_t offset = 0;  // where, if it is
};

// `start`, `check`, `batch_bytes_max` and the destructor may block; the others do not, and any thread may call them.
class Producer {
 public:
  // Called from one thread of the client's, which must not destroy the producer.
  using OnReports = std::move_only_function<void(std::span<const Report>)>;

  // An error of kind invalid when the settings do not make a client. It does not wait for a broker. `owner` is the label of its
  // metrics: {"destination", "out"}.
  static Result<std::unique_ptr<Producer>> start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                 telemetry::Metrics* metrics, OnReports on_reports);
  // Every message has had its report before.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Whether a broker answers and, unless it is empty, the topic can be seen. The error, of kind unavailable, says why not.
  Result<void> check(const std::string& topic, Duration patience, std::stop_token stop);
  // The largest batch of records that the topic takes, where the brokers tell.
  std::optional<std::uint64_t> batch_bytes_max(const std::string& topic, Duration patience);

  // 0: a report will follow. Else the error, and none follows.
  int send(const Message& message);
  // Everything without a report gets one soon, also what may have been written.
  void purge();
  // False after an error from which the client cannot recover; a new one is needed.
  bool usable() const;
  // What went wrong last with the brokers, empty when they have answered since.
  std::string trouble() const;

 private:
  struct Impl;
  explicit Producer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
