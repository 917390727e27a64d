#pragma once
// Reads partitions from where it is told to: no group, no offsets kept by Kafka. librdkafka, with nothing of its header here.
//
// Each partition that was begun has a queue of its own, which the client fills ahead of the reader, up to its settings; or all of
// one consumer share a queue, which can be waited for.

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
  int partition() const;
  std::uint64_t offset() const;  // of an end: where it is
  std::optional<std::string_view> key() const;
  std::optional<std::string_view> value() const;  // none: a tombstone
  Timestamp timestamp() const;
  // A value may be none. Costs nothing when there are no headers.
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> headers() const;
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
  // An error of kind invalid when the settings do not make a client. It does not wait for a broker. `owner` is the label of its
  // metrics: {"source", "orders"}.
  static Result<std::unique_ptr<Consumer>> start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                 telemetry::Metrics* metrics);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Every topic with its number of partitions, or this one only. An error of kind not_found or unavailable says why not.
  Result<std::map<std::string, int>> topics(const std::optional<std::string>& only, Duration patience, std::stop_token stop);
  // By which the cluster is known; empty: it has no id.
  Result<std::string> cluster(Duration patience, std::stop_token stop);
  Result<std::uint64_t> find(const TopicPartition& at, const Beginning& beginning, Duration patience);
  // The first that is as young; none: there is no such message.
  Result<std::optional<std::uint64_t>> find_time(const TopicPartition& at, Timestamp time, Duration patience);
  // The first offset that there is, and the one after the last.
  using Bounds = std::pair<std::uint64_t, std::uint64_t>;
  Result<Bounds> bounds(const TopicPartition& at, Duration patience);
  // The same of the partitions 0 to `partitions`, and the first offsets that are as young, in one question to each broker.
  Result<std::vector<Bounds>> bounds_of_all(const std::string& topic, std::size_t partitions, Duration patience);
  Result<std::vector<std::optional<std::uint64_t>>> find_time_in_all(const std::string& topic, std::size_t partitions,
                                                                     Timestamp time, Duration patience);
  Result<std::vector<std::uint64_t>> find_in_all(const std::string& topic, std::size_t partitions,
                                                 const Beginning& beginning, Duration patience);
  // What the group of the settings has committed, once nothing that may still be committed is under way; none: nothing.
  Result<std::optional<std::uint64_t>> committed(const TopicPartition& at, Duration patience);
  Result<void> begin(const TopicPartition& at, std::uint64_t offset);
  // Appends what has come of a partition that was begun, at most `most`.
  void take(const TopicPartition& at, std::size_t most, std::vector<Received>& out);
  void stop(const TopicPartition& at);
  // The same for those that share a queue, of which all `take`s are one thread's. Waits up to `patience` for the first.
  Result<void> begin_shared(const TopicPartition& at, std::uint64_t offset);
  void take_shared(std::size_t most, Duration patience, std::vector<Received>& out);
  // Has the client look whether it may fetch more of a partition that was begun: when the queues of all partitions are full, it does so by
  // itself only once a second, however soon they are emptied. Returns at once.
  void look_again(const TopicPartition& at);
  // What went wrong last with the brokers; empty: they have answered since.
  std::string trouble() const;
  // How many offsets there are from this one on, as far as the client has heard.
  std::optional<std::uint64_t> behind(const TopicPartition& at, std::uint64_t offset) const;

 private:
  struct Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
