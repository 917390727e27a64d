#include "pipeline/base/uuid.h"

// The interface that is not deprecated allocates for every message, which takes twice as long as hashing a short name: 0.29 µs
// instead of 0.17 µs, for each event that comes without a uuid.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <cstring>

#include "pipeline/base/check.h"

namespace penstock {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The value of a hex digit; above 15 for any other byte.
constexpr auto kHexValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(0xFF);
  for (std::uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
  for (std::uint8_t i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<std::uint8_t>(10 + i);
  return values;
}();
unsigned hex_value(char c) { return kHexValues[static_cast<unsigned char>(c)]; }

bool dash_after(std::size_t byte) { return byte == 3 || byte == 5 || byte == 7 || byte == 9; }

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  const bool dashed = text.size() == 36;
  if (!dashed && text.size() != 32) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  unsigned seen = 0;  // all digits together: one that is none shows in it
  bool dashes = true;
  for (std::size_t i = 0; i < 16; ++i) {
    const unsigned high = hex_value(text[at]);
    const unsigned low = hex_value(text[at + 1]);
    seen |= high | low;
    uuid.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
    if (dashed && dash_after(i)) dashes &= text[at++] == '-';
  }
  if (seen > 15 || !dashes) return std::nullopt;
  return uuid;
}

Uuid Uuid::v5(const Uuid& name_space, std::string_view name) {
  SHA_CTX context;
  unsigned char digest[SHA_DIGEST_LENGTH];
  CHECK(SHA1_Init(&context) == 1);
  CHECK(SHA1_Update(&context, name_space.bytes.data(), name_space.bytes.size()) == 1);
  CHECK(SHA1_Update(&context, name.data(), name.size()) == 1);
  CHECK(SHA1_Final(digest, &context) == 1);
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), digest, uuid.bytes.size());
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0F) | 0x50);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);
  return uuid;
}

void Uuid::format_to(char* out) const {
  for (std::size_t i = 0; i < 16; ++i) {
    *out++ = kHex[bytes[i] >> 4];
    *out++ = kHex[bytes[i] & 0x0F];
    if (dash_after(i)) *out++ = '-';
  }
}

std::string Uuid::to_string() const {
  std::string text(36, '\0');
  format_to(text.data());
  return text;
}

}  // namespace penstock
