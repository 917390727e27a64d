#pragma once
// XXH3 (64 bit): the checksum in every stored structure, and the stable hash behind fingerprints.

#include <cstdint>
#include <string_view>

namespace penstock {
std::uint64_t checksum(std::string_view bytes);
}
