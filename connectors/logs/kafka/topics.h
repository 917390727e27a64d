#pragma once
// The topics of the log: whether they are as they must be, and making them.

#include <cstdint>
#include <optional>
#include <stop_token>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/topic_admin.h"

namespace penstock::logs::kafka {

// How far a message's own time may be from the broker's.
struct TimeWindow {
  std::optional<Duration> before;
  std::optional<Duration> after;

  // `time`, or 0 where the topic would refuse it, and with it all that is written in the same batch. 0 stays 0.
  Timestamp taken(Timestamp time, Timestamp now) const;
};

struct Topics {
  int partitions = 0;  // of `events`
  int shards = 0;  // partitions of `state`
  // The largest message that each takes.
  std::uint64_t captured_max = 0;
  std::uint64_t events_max = 0;
  std::uint64_t state_max = 0;
  TimeWindow times;  // of `events`
};

// Looks at all three, and creates those that are missing if `create` says so. Tells in the program's log what is unwise. An error says
// what to do: not_found (one is missing), invalid (one is not as it must be), unavailable (no broker answers), stopped.
Result<Topics> prepare_topics(penstock::kafka::TopicAdmin& admin, const Config& config, Duration patience,
                              const std::stop_token& stop);

}  // namespace penstock::logs::kafka
