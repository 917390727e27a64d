#pragma once
// How positions of this source stand in the log: of the input partition "orders/3" the offset of the message to be read next, when the
// message before it was written, and how often the topic was made anew since it was first read: "812@1790000000000#1", of which only
// the offset must be. "orders/" says only that the topic is known, to a share of the input that has none of its partitions.
//
// Brokers know a topic by its name, and one that was deleted and made anew by the same. A message never changes, so the time of one that
// was read tells the two apart, wherever the new one ends. One whose brokers have lost its newest messages counts as made anew from the
// first that is younger than what was read: other messages have the old offsets, and are to have uuids of their own.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::sources::kafka {

struct Position {
  std::uint64_t offset = 0;
  std::optional<std::int64_t> before{};  // ms; none: nothing was read there, or it has no time
  std::uint64_t generation = 0;
  friend bool operator==(const Position&, const Position&) = default;
};
using Positions = std::map<penstock::kafka::TopicPartition, Position>;

std::string to_text(const Position& position);

std::string known_topic(const std::string& topic);
// Those with a position, or known.
std::set<std::string> topics_of(const std::vector<SourcePosition>& stored);

// Of partitions. corrupt: one of them is of no Kafka topic.
Result<Positions> read_positions(const std::vector<SourcePosition>& stored);

}  // namespace penstock::sources::kafka
