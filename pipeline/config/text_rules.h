#pragma once
// What bytes a configuration text may hold: valid UTF-8, and no control characters but tab and line ends.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::config {

struct BadByte {
  std::size_t offset = 0;
  std::string reason;  // "a NUL byte", "bytes that are not UTF-8"
};

// The first one, or nothing.
std::optional<BadByte> first_bad_byte(std::string_view text);

// Position of a byte as people count: both from 1, the column in characters.
struct Position {
  int line = 1;
  int column = 1;
};
Position position_of(std::string_view text, std::size_t offset);

}  // namespace penstock::config
