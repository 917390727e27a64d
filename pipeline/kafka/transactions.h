#pragma once
// Writes messages of several partitions so that all of them are seen, or none. librdkafka, with nothing of its header here.
//
// One holder of a transactional id at a time: `take_over` ends what a former one left open, and shuts it out. There is no way back
// from an error: whoever gets one drops the producer, takes over with a new one, and then looks at what is there. The fate of a
// transaction whose commit failed is decided by then. One thread.

#include <cstdint>
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
#include "pipeline/kafka/group_member.h"
#include "pipeline/telemetry/metrics.h"

struct rd_kafka_topic_s;

namespace penstock::kafka {

class Transactions {
 public:
  // A topic of this producer; it lives as long.
  using Topic = rd_kafka_topic_s*;
  struct Header {
    std::string_view name;
    std::optional<std::string_view> value;
  };
  struct Extras {
    std::span<const Header> headers = {};
    Timestamp time = {};  // 0: the present
  };

  // An error of kind invalid when the settings do not make a client. It does not wait for a broker.
  static Result<std::unique_ptr<Transactions>> start(const Settings& settings, const telemetry::Labels::value_type& owner,
                                                     telemetry::Metrics* metrics);
  // What was not committed is dropped.
  ~Transactions();
  Transactions(const Transactions&) = delete;
  Transactions& operator=(const Transactions&) = delete;

  // All errors below are of kind unavailable, but for `limit`: the message is larger than the client may send, or the brokers allow no
  // transaction as long as the client's; `stopped`; and `invalid`: it is not permitted.
  Result<void> take_over(Duration patience, const std::stop_token& stop = {});
  Topic topic(std::string_view name);
  Result<void> begin();
  // The value must stay where it is until the answer of `commit`, or the end of the producer; the rest is copied. None is a
  // tombstone. Waits while too much waits to be sent.
  Result<void> send(Topic to, int partition, std::optional<std::string_view> key, std::optional<std::string_view> value,
                    const Extras& extras);
  // Makes the transaction count only while its producer is that member of the group: `offsets`, by partition of the topic, are what
  // the group has committed then. conflict: brokers know another membership, and nothing of the transaction can be committed. Blocks as
  // commit does.
  Result<void> send_offsets(const Membership& member, const std::string& topic,
                            const std::vector<std::pair<int, std::uint64_t>>& offsets);
  // Drops what was begun; another may be begun then.
  Result<void> abort();
  // Blocks until it is known that all of it is durable, and no longer than the broker lets a transaction be open.
  Result<void> commit();
  // What went wrong last with the brokers, or that one of them holds this client back; may be empty. Any thread.
  std::string trouble() const;

 private:
  struct Impl;
  explicit Transactions(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::kafka
