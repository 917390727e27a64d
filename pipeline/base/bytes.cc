#include "pipeline/base/bytes.h"

#include <fmt/format.h>

namespace penstock {

std::string to_string(Bytes bytes) {
  const auto n = bytes.count;
  if (n != 0 && n % (1ULL << 30) == 0) return fmt::format("{}GiB", n >> 30);
  if (n != 0 && n % (1ULL << 20) == 0) return fmt::format("{}MiB", n >> 20);
  if (n != 0 && n % (1ULL << 10) == 0) return fmt::format("{}KiB", n >> 10);
  return fmt::format("{}B", n);
}

}  // namespace penstock
