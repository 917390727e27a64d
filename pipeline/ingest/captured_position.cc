#include "pipeline/ingest/captured_position.h"

#include <cstdlib>

#include "pipeline/base/codec.h"

namespace penstock::ingest {

std::string encode_captured_position(std::uint64_t sequence) {
  std::string out;
  Writer(out).varint(sequence);
  return out;
}

Result<std::vector<std::uint64_t>> captured_positions(const std::vector<SourcePosition>& stored, int partitions) {
  std::vector<std::uint64_t> next(static_cast<std::size_t>(partitions), 0);
  for (const SourcePosition& position : stored) {
    const auto partition = static_cast<std::size_t>(std::strtoul(position.partition.c_str(), nullptr, 10));
    TRY_ASSIGN(const std::uint64_t sequence, Reader(position.position).varint());
    if (partition < next.size()) next[partition] = sequence;
  }
  return next;
}

}  // namespace penstock::ingest
