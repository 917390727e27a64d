#pragma once
// Bytes as texts: base64 (RFC 4648) and hexadecimal. Every function writes to `to`, which has the room that the matching
// *_size function says, and returns the end of what it wrote; nullptr when `text` is no such coding.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::scripting {

enum class Base64 : std::uint8_t {
  standard,  // "+/", written with padding
  url,       // "-_", written without
};

std::size_t base64_size(std::size_t bytes);
char* encode_base64(std::string_view bytes, Base64 alphabet, char* to);

// Padding may be missing, but not wrong; line breaks and bits that no byte holds are refused, so that no two texts mean
// the same bytes but for their padding.
std::size_t base64_bytes_max(std::size_t size);
char* decode_base64(std::string_view text, Base64 alphabet, char* to);

// Two lower-case digits a byte; upper-case ones are read too.
char* encode_hex(std::string_view bytes, char* to);
char* decode_hex(std::string_view text, char* to);

}  // namespace penstock::scripting
