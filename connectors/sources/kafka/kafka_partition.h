#pragma once
// A partition of a topic, as the source reads it. Only for the .cc files of the source.

#include <fmt/format.h>

#include <deque>
#include <string>

#include "connectors/sources/kafka/kafka_source.h"
#include "connectors/sources/kafka/positions.h"

namespace penstock::sources::kafka {

struct KafkaSource::Partition {
  explicit Partition(penstock::kafka::TopicPartition which)
      : at(std::move(which)), name(fmt::format("{}/{}", at.topic, at.partition)),
        label(fmt::format("{}[{}]", at.topic, at.partition)) {}

  const penstock::kafka::TopicPartition at;
  const std::string name;   // in positions
  const std::string label;  // for people
  Position next;            // to be read
  bool check = false;       // when its messages begin to come, the one before is to be compared
  bool checking = false;    // it is asked for
  bool to_note = false;     // where it begins is in no commit yet
  bool active = false;      // its messages come
  bool gone = false;        // active, but there is no such partition now: it holds no place
  bool at_end = false;
  bool lost = true;         // where to read is being found out
  std::size_t turn_bytes = 0;
  std::size_t taken_bytes = 0;  // since the client was last told that there is room
  SteadyTime came{};        // the last message of this turn or its begin, or when its last turn was over
  std::deque<penstock::kafka::Received> waiting;
  std::string trouble;      // told last, until it is over
  SteadyTime troubled{};    // when it was heard last
  telemetry::Gauge lag;
};

}  // namespace penstock::sources::kafka
