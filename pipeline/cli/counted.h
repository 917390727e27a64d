#pragma once
// Numbers of things, in words for people.

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace penstock::cli {

// "1 error", "2 errors".
inline std::string counted(std::uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

}  // namespace penstock::cli
