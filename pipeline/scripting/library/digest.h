#pragma once
// Hashes for apps.

#include <array>
#include <string_view>

namespace penstock::scripting {

// SHA-256 in lower-case hexadecimal.
std::array<char, 64> sha256_hex(std::string_view text);

}  // namespace penstock::scripting
