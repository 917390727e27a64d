#pragma once
// Whether two short texts are the same. Names and keys are, mostly, and then a call of memcmp takes longer than the comparison.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace penstock {

inline bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const std::size_t size = a.size();
  const auto same_at = [&]<class Word>(Word, std::size_t at) {
    Word x;
    Word y;
    std::memcpy(&x, a.data() + at, sizeof x);
    std::memcpy(&y, b.data() + at, sizeof y);
    return x == y;
  };
  // From both ends, and what lies under both twice.
  if (size > 16) return std::memcmp(a.data(), b.data(), size) == 0;
  if (size >= 8) return same_at(std::uint64_t{}, 0) && same_at(std::uint64_t{}, size - 8);
  if (size >= 4) return same_at(std::uint32_t{}, 0) && same_at(std::uint32_t{}, size - 4);
  if (size >= 2) return same_at(std::uint16_t{}, 0) && same_at(std::uint16_t{}, size - 2);
  return size == 0 || a.front() == b.front();
}

}  // namespace penstock
