#include "connectors/logs/local/header_search.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace penstock::logs::local {

using log_format::kRecordHeaderBytes;

Result<std::optional<std::uint64_t>> find_header(const ReadFile& file, std::uint64_t from, std::uint64_t size,
                                                 const AcceptHeader& accept) {
  constexpr std::uint64_t kBlock = 1 << 20;
  if (from >= size) return std::nullopt;
  std::vector<char> block(static_cast<std::size_t>(std::min(kBlock, size - from)));
  for (std::uint64_t start = from; start + kRecordHeaderBytes <= size;) {
    TRY_ASSIGN(const std::size_t got, file.read(start, block.data(), block.size()));
    if (got < kRecordHeaderBytes) return std::nullopt;
    const std::string_view bytes(block.data(), got);
    const std::size_t last = got - kRecordHeaderBytes;
    std::size_t at = bytes.find(log_format::kMagicFirstByte, log_format::kMagicAt);
    for (; at != std::string_view::npos && at - log_format::kMagicAt <= last;
         at = bytes.find(log_format::kMagicFirstByte, at + 1)) {
      const std::size_t candidate = at - log_format::kMagicAt;
      const auto header = log_format::decode_header(bytes.substr(candidate));
      if (header && accept(*header, start + candidate)) return start + candidate;
    }
    start += last + 1;
  }
  return std::nullopt;
}

}  // namespace penstock::logs::local
