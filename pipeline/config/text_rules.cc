#include "pipeline/config/text_rules.h"

#include <cstdint>

#include <fmt/format.h>

#include "pipeline/base/utf8.h"

namespace penstock::config {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

}  // namespace

std::optional<BadByte> first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::uint8_t byte = byte_at(text, i);
    if (byte == 0) return BadByte{i, "a NUL byte"};
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F)
      return BadByte{i, fmt::format("the control character \\x{:02x}", byte)};
    const Utf8Character one = utf8_character(text.substr(i));
    if (!one.valid) return BadByte{i, "bytes that are not UTF-8"};
    i += one.bytes;
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
