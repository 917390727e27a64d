#pragma once
// An event as a message of `events`: the body is its value, the distinct id its key, the facts a header if they are to be.

#include <string>
#include <string_view>

#include "connectors/logs/kafka/kafka_log_settings.h"
#include "pipeline/base/result.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/facts.h"
#include "pipeline/event/json.h"
#include "pipeline/kafka/consumer.h"

namespace penstock::logs::kafka {

// Reads the facts of messages. Not thread-safe.
class EventDecoder {
 public:
  explicit EventDecoder(const Config& config);
  // The views are valid until the next call, and no longer than the message. A message without the header, of another writer or
  // because headers are not written, has its facts read from the body; its uuid may then be made of where it stands. corrupt: it
  // is no event.
  Result<Facts> facts_of(const penstock::kafka::Received& message);

 private:
  const std::string topic_;
  FactReader reader_;
  json::Validator validator_;
  json::ObjectIndex index_;
  std::string partition_;
};

}  // namespace penstock::logs::kafka
