#pragma once
// One chunk per partition, filled side by side, for one record of a log.

#include <optional>
#include <string>
#include <vector>

#include "pipeline/event/chunk.h"

namespace penstock::ingest {

class ChunkSet {
 public:
  explicit ChunkSet(int partitions, Compression compression = Compression::lz4)
      : compression_(compression), builders_(static_cast<std::size_t>(partitions)) {}

  void add(const Facts& facts, std::string_view body) {
    const int partition = partition_of(facts, static_cast<int>(builders_.size()));
    auto& builder = builders_[static_cast<std::size_t>(partition)];
    if (!builder) builder.emplace(partition, compression_);
    const auto before = builder->bytes();
    builder->add(facts, body);
    bytes_ += builder->bytes() - before;
    ++events_;
  }

  std::size_t events() const { return events_; }
  std::size_t bytes() const { return bytes_; }

  // The stored chunks of the partitions that got something, in partition order; the set is empty afterwards.
  std::vector<std::string> finish() {
    std::vector<std::string> chunks;
    for (auto& builder : builders_) {
      if (builder && builder->size() > 0) builder->finish(chunks.emplace_back());
    }
    events_ = bytes_ = 0;
    return chunks;
  }

 private:
  Compression compression_;
  std::vector<std::optional<ChunkBuilder>> builders_;
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace penstock::ingest
