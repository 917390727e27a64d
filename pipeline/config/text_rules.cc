#include "pipeline/config/text_rules.h"

#include <cstdint>

#include <fmt/format.h>

namespace penstock::config {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

// Length of the UTF-8 sequence at `i`, or 0: overlong forms, surrogates and values past U+10FFFF are not UTF-8.
std::size_t sequence_length(std::string_view text, std::size_t i) {
  const std::uint8_t first = byte_at(text, i);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || i + length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k)
    if ((byte_at(text, i + k) & 0xC0) != 0x80) return 0;
  const std::uint8_t second = byte_at(text, i + 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool beyond = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

}  // namespace

std::optional<BadByte> first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::uint8_t byte = byte_at(text, i);
    if (byte == 0) return BadByte{i, "a NUL byte"};
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F)
      return BadByte{i, fmt::format("the control character \\x{:02x}", byte)};
    const std::size_t length = sequence_length(text, i);
    if (length == 0) return BadByte{i, "bytes that are not UTF-8"};
    i += length;
  }
  return std::nullopt;
}

Position position_of(std::string_view text, std::size_t offset) {
  Position position;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++position.line;
      position.column = 1;
    } else if ((byte_at(text, i) & 0xC0) != 0x80) {
      ++position.column;
    }
  }
  return position;
}

}  // namespace penstock::config
