#include "pipeline/event/murmur2.h"

#include <cstring>

namespace penstock {
namespace {

// Both constants are part of the wire contract: with others the partitions would differ from Kafka's.
constexpr std::uint32_t kSeed = 0x9747B28C;
constexpr std::uint32_t kMultiplier = 0x5BD1E995;

}  // namespace

std::uint32_t murmur2(std::string_view bytes) {
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(bytes.size());
  for (; bytes.size() >= 4; bytes.remove_prefix(4)) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    word *= kMultiplier;
    word ^= word >> 24;
    hash = (hash * kMultiplier) ^ (word * kMultiplier);
  }
  if (!bytes.empty()) {
    for (std::size_t i = bytes.size(); i-- > 0;) {
      hash ^= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ (hash >> 15);
}

}  // namespace penstock
