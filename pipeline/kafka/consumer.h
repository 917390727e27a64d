#pragma once
// Reads partitions from where it is told to: no group, no offsets kept by Kafka. librdkafka, with nothing of its header here.
//
// Each partition that was begun has a queue of its own, which the client fills ahead of the reader, up to its settings.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/telemetry/metrics.h"

struct rd_kafka_message_s;

namespace penstock::kafka {

struct TopicPartition {
  std::string topic;
  int partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

// A message, or what the partition has to say instead of one. Keeps the memory that it gives views of.
class Received {
 public:
  enum class Kind : std::uint8_t {
    message,
    end,  // nothing more now
    lost,  // the offset asked for is not there (any more)
    gone,  // the topic or the partition is; `reason`. Not to be stopped until a message comes: the client would never end
    trouble,  // `reason`; the client goes on by itself
  };
  explicit Received(rd_kafka_message_s* message);

  Kind kind() const;
  std::uint64_t offset() const;
  std::optional<std::string_view> key() const;
  std::optional<std::string_view> value() const;  // none: a tombstone
  Timestamp timestamp() const;
  std::vector<std::pair<std::string_view, std::string_view>> headers() const;
  std::string reason() const;

 private:
  struct Deleter {
    void operator()(rd_kafka_message_s* message) const;
  };
  std::unique_ptr<rd_kafka_message_s, Deleter> message_;
};

// Where to begin: at a time, at the first that there is, or after the last.
struct Beginning {
  enum class Kind : std::uint8_t { earliest, latest, time };
  Kind kind = Kind::earliest;
  Timestamp time;
  friend bool operator==(const Beginning&, const Beginning&) = default;
};

// `topics`, `find` and the destructor may block, as may `stop` for a moment. What was begun need not be stopped at the end.
// begin, take and stop of one partition are one thread's; the rest is any thread's.
class Consumer {
 public:
  // An error of kind invalid when the settings do not make a client. It does not wait for a broker.
  static Result<std::unique_ptr<Consumer>> start(const Settings& settings, const std::string& source,
                                                 telemetry::Metrics* metrics);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Every topic with its number of partitions, or this one only. An error of kind not_found or unavailable says why not.
  Result<std::map<std::string, int>> topics(const std::optional<std::string>& only, Duration patience, std::stop_token stop);
  Result<std::uint64_t> find(const TopicPartition& at, const Beginning& beginning, Duration patience);
  Result<void> begin(const TopicPartition& at, std::uint64_t offset);
  // Appends what has come of a partition that was begun, at most `most`.
  void take(const TopicPartition& at, std::size_t most, std::vector<Received>& out);
  void stop(const TopicPartition& at);
  // How many offsets there are from this one on, as far as the client has heard.
  std::optional<std::uint64_t> behind(const TopicPartition& at, std::uint64_t offset) const;

 private:
  struct Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
