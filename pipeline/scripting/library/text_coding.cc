#include "pipeline/scripting/library/text_coding.h"

#include <array>
#include <cstring>

namespace penstock::scripting {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNoDigit = 0xFF;

using Values = std::array<std::uint8_t, 256>;

constexpr Values values_of(std::string_view digits) {
  Values values{};
  values.fill(kNoDigit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  return values;
}

constexpr Values hex_values() {
  Values values = values_of("0123456789abcdef");
  for (std::uint8_t i = 0; i < 6; ++i) values['A' + i] = static_cast<std::uint8_t>(10 + i);
  return values;
}

constexpr Values kStandardValues = values_of(kStandard);
constexpr Values kUrlValues = values_of(kUrl);
constexpr Values kHexValues = hex_values();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
}

// Up to four digits as up to three bytes.
char* decode_group(std::string_view digits, const Values& values, char* to) {
  if (digits.empty()) return to;
  std::uint32_t bits = 0;
  for (const char digit : digits) {
    const std::uint8_t value = values[static_cast<unsigned char>(digit)];
    if (value == kNoDigit) return nullptr;
    bits = bits << 6 | value;
  }
  bits <<= 6 * (4 - digits.size());
  const std::size_t bytes = digits.size() - 1;
  if ((bits & (0xFFFFFFu >> (8 * bytes))) != 0) return nullptr;
  for (std::size_t i = 0; i < bytes && i < 3; ++i) *to++ = static_cast<char>(bits >> (16 - 8 * i));
  return to;
}

}  // namespace

std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }
std::size_t base64_bytes_max(std::size_t size) { return size / 4 * 3 + 3; }

char* encode_base64(std::string_view bytes, Base64 alphabet, char* to) {
  const std::string_view digits = alphabet == Base64::url ? kUrl : kStandard;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t bits = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
    const std::size_t used = bytes.size() - i >= 3 ? 4 : bytes.size() - i + 1;
    for (std::size_t k = 0; k < used; ++k) *to++ = digits[bits >> (18 - 6 * k) & 63];
    for (std::size_t k = used; k < 4 && alphabet == Base64::standard; ++k) *to++ = '=';
  }
  return to;
}

char* decode_base64(std::string_view text, Base64 alphabet, char* to) {
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % 4 == 1) return nullptr;
  const Values& values = alphabet == Base64::url ? kUrlValues : kStandardValues;
  for (; !text.empty() && to != nullptr; text.remove_prefix(text.size() < 4 ? text.size() : 4))
    to = decode_group(text.substr(0, 4), values, to);
  return to;
}

char* encode_hex(std::string_view bytes, char* to) {
  static constexpr auto kPairs = [] {
    std::array<std::array<char, 2>, 256> pairs{};
    for (unsigned byte = 0; byte < 256; ++byte) pairs[byte] = {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    return pairs;
  }();
  for (const char byte : bytes) {
    std::memcpy(to, kPairs[static_cast<unsigned char>(byte)].data(), 2);
    to += 2;
  }
  return to;
}

char* decode_hex(std::string_view text, char* to) {
  if (text.size() % 2 != 0) return nullptr;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::uint8_t high = kHexValues[static_cast<unsigned char>(text[i])];
    const std::uint8_t low = kHexValues[static_cast<unsigned char>(text[i + 1])];
    if (high == kNoDigit || low == kNoDigit) return nullptr;
    *to++ = static_cast<char>(high << 4 | low);
  }
  return to;
}

}  // namespace penstock::scripting
