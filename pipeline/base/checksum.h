#pragma once
// XXH3 (64 bit): the checksum in every stored structure, and the stable hash behind fingerprints. And a hash that is not stable.

#include <cstdint>
#include <string_view>

namespace penstock {
std::uint64_t checksum(std::string_view bytes);

// Another one in every process: for tables in memory whose keys somebody sends, so that nobody can choose keys that collide.
// Never stored, and nothing that is seen may depend on it.
std::uint64_t hash_of_process(std::string_view bytes);
}
