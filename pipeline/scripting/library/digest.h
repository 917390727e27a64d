#pragma once
// Hashes for apps.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::scripting {

// SHA-256 in lower-case hexadecimal.
std::array<char, 64> sha256_hex(std::string_view text);

enum class Digest : std::uint8_t { sha1, sha256, sha384, sha512 };
inline constexpr std::size_t kDigestBytesMax = 64;

std::optional<Digest> digest_named(std::string_view name);

// HMAC (RFC 2104): writes the code's bytes to `to` and returns how many there are.
std::size_t hmac(Digest digest, std::string_view key, std::string_view text, std::array<char, kDigestBytesMax>& to);

}  // namespace penstock::scripting
