#pragma once
// Commits offsets of a consumer group that nobody consumes with, so that others see how far somebody is. By a client that lives as long as
// the call: librdkafka 2.0.2 has an administrative request for it too, which ends the process when brokers answer too late.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/client_settings.h"

namespace penstock::kafka {

// Of a partition about which nothing is said, or known.
inline constexpr std::uint64_t kNoOffset = ~std::uint64_t{0};

// By partition. Blocks, up to `patience`; unavailable: no broker has answered, or the group has members. Any thread.
Result<void> commit_group_offsets(Settings settings, const std::string& group, const std::string& topic,
                                  const std::vector<std::uint64_t>& offsets, Duration patience);
// What the group has committed, by partition.
Result<std::vector<std::uint64_t>> group_offsets(Settings settings, const std::string& group, const std::string& topic,
                                                 int partitions, Duration patience);

}  // namespace penstock::kafka
