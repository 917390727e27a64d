#pragma once
// A size in bytes, as settings and limits use it. A type of its own so that `batch.bytes` is never mistaken for a count.

#include <compare>
#include <cstdint>
#include <string>

namespace penstock {

struct Bytes {
  std::uint64_t count = 0;
  friend constexpr auto operator<=>(Bytes, Bytes) = default;
};

constexpr Bytes operator""_B(unsigned long long n) { return Bytes{n}; }
constexpr Bytes operator""_KiB(unsigned long long n) { return Bytes{n << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return Bytes{n << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return Bytes{n << 30}; }

// "64MiB", "1536KiB", "17B": exact, in the largest unit that divides it; reads back to the same value.
std::string to_string(Bytes bytes);

}  // namespace penstock
