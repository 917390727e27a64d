// How far a worker has read its inputs: what is committed, and of `captured` what it has in hand as well.
#include <algorithm>

#include "pipeline/ingest/worker.h"

namespace penstock::ingest {

bool Worker::is_to_be_read(int partition, std::uint64_t sequence) const {
  return options_.share.has(partition) && captured_next_.at(static_cast<std::size_t>(partition)) <= sequence;
}

// Everything of its share before this record is read.
std::uint64_t Worker::captured_position() const {
  std::uint64_t position = ~std::uint64_t{0};
  for (auto p = static_cast<std::size_t>(options_.share.index); p < captured_next_.size();
       p += static_cast<std::size_t>(options_.share.of))
    position = std::min(position, captured_next_[p]);
  return position;
}

// Derived state may be behind what this process has committed (a full disk), so that comes on top.
Result<std::vector<SourcePosition>> Worker::position_of(const std::string& source) const {
  TRY_ASSIGN(auto positions, positions_(source));
  for (auto& [partition, position] : committer_.committed(source)) {
    std::erase_if(positions, [&](const auto& p) { return p.partition == partition; });
    positions.push_back({source, partition, position});
  }
  return positions;
}

}  // namespace penstock::ingest
