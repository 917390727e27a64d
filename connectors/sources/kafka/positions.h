#pragma once
// How positions of this source stand in the log: of the input partition "orders/3" the offset of the message to be read next.

#include <cstdint>
#include <map>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/kafka/consumer.h"
#include "pipeline/ports/log.h"

namespace penstock::sources::kafka {

using Offsets = std::map<penstock::kafka::TopicPartition, std::uint64_t>;

// corrupt: one of them is of no Kafka topic.
Result<Offsets> read_positions(const std::vector<SourcePosition>& stored);

}  // namespace penstock::sources::kafka
