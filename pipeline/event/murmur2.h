#pragma once
// The 32-bit hash by which Kafka's Java client spreads keys over partitions. Not for hash tables: anyone can make collisions.

#include <cstdint>
#include <string_view>

namespace penstock {
std::uint32_t murmur2(std::string_view bytes);
}
