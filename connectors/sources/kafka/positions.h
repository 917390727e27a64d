#pragma once
// How positions of this source stand in the log: of the input partition "orders/3" the offset of the message to be read next. "orders/"
// says only that the topic is known, to a share of the input that has none of its partitions.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::sources::kafka {

using Offsets = std::map<penstock::kafka::TopicPartition, std::uint64_t>;

std::string known_topic(const std::string& topic);
// Those with a position, or known.
std::set<std::string> topics_of(const std::vector<SourcePosition>& stored);

// Of partitions. corrupt: one of them is of no Kafka topic.
Result<Offsets> read_positions(const std::vector<SourcePosition>& stored);

}  // namespace penstock::sources::kafka
