#pragma once
// What brokers say about topics, and what they can be asked to do with them. librdkafka, with nothing of its header here. Every call
// blocks, up to `patience`; errors are of kind unavailable unless said. One thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/client_settings.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/telemetry/metrics.h"

namespace penstock::kafka {

// As brokers spell them: {"cleanup.policy", "compact"}.
using TopicSettings = std::map<std::string, std::string>;

struct NewTopic {
  std::string name;
  int partitions = 1;
  int replication = -1;  // -1: the brokers' default
  TopicSettings settings;
};

struct TopicInfo {
  int partitions = 0;
  int replication = 0;
  TopicSettings settings;  // none when the brokers do not tell
};

class TopicAdmin {
 public:
  // `stop` ends what waits for a broker: an error of kind stopped.
  static Result<std::unique_ptr<TopicAdmin>> start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                   telemetry::Metrics* metrics, std::stop_token stop = {});
  ~TopicAdmin();
  TopicAdmin(const TopicAdmin&) = delete;
  TopicAdmin& operator=(const TopicAdmin&) = delete;

  // By which a cluster is known.
  Result<std::string> cluster(Duration patience);
  // Nullopt: there is none.
  Result<std::optional<TopicInfo>> describe(const std::string& topic, Duration patience);
  // One that is there already is none of its errors. invalid: the brokers refuse it as it is.
  Result<void> create(const NewTopic& topic, Duration patience);
  // Everything before this offset.
  Result<void> remove_before(const TopicPartition& at, std::uint64_t offset, Duration patience);

 private:
  struct Impl;
  explicit TopicAdmin(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
