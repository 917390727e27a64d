#pragma once
// One chunk per partition, filled side by side, for one record of a log; and what is attached to their events.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event/attachment.h"
#include "pipeline/event/chunk.h"

namespace penstock::ingest {

class ChunkSet {
 public:
  // `compression`: of chunks in their stored form; none: they are to be open.
  explicit ChunkSet(int partitions, std::optional<Compression> compression = Compression::lz4)
      : compression_(compression), builders_(compression ? static_cast<std::size_t>(partitions) : 0),
        gatherers_(compression ? 0 : static_cast<std::size_t>(partitions)) {}

  void add(const Facts& facts, std::string_view body, const Attachment* attachment = nullptr) {
    const auto partitions = compression_ ? builders_.size() : gatherers_.size();
    const auto partition = static_cast<std::size_t>(partition_of(facts, static_cast<int>(partitions)));
    const std::uint32_t place = compression_ ? store(partition, facts, body) : gather(partition, facts, body);
    ++events_;
    if (attachment == nullptr) return;
    attachments_.resize(partitions);
    auto& attached = attachments_[partition];
    const auto attached_before = attached.bytes();
    attached.add(place, *attachment);
    bytes_ += attached.bytes() - attached_before;
  }

  std::size_t events() const { return events_; }
  std::size_t bytes() const { return bytes_; }

  struct Finished {
    std::vector<std::string> chunks;  // or
    std::vector<std::shared_ptr<const Chunk>> open_chunks;
    std::vector<Attachments> attachments;  // one for each; empty: none has any
  };
  // The chunks of the partitions that got something, in partition order; the set is empty afterwards.
  Finished finish() {
    Finished finished;
    for (std::size_t p = 0; p < builders_.size(); ++p) {
      if (!builders_[p] || builders_[p]->size() == 0) continue;
      builders_[p]->finish(finished.chunks.emplace_back());
      if (!attachments_.empty()) finished.attachments.push_back(std::move(attachments_[p]));
    }
    for (std::size_t p = 0; p < gatherers_.size(); ++p) {
      if (gatherers_[p].empty()) continue;
      finished.open_chunks.push_back(gatherers_[p].finish(static_cast<int>(p), 0));
      if (!attachments_.empty()) finished.attachments.push_back(std::move(attachments_[p]));
    }
    attachments_.clear();
    events_ = bytes_ = 0;
    return finished;
  }

 private:
  // Each gives the event's place in its chunk.
  std::uint32_t store(std::size_t partition, const Facts& facts, std::string_view body) {
    auto& builder = builders_[partition];
    if (!builder) builder.emplace(static_cast<int>(partition), *compression_);
    const auto before = builder->bytes();
    builder->add(facts, body);
    bytes_ += builder->bytes() - before;
    return builder->size() - 1;
  }
  std::uint32_t gather(std::size_t partition, const Facts& facts, std::string_view body) {
    auto& gatherer = gatherers_[partition];
    const auto before = gatherer.memory();
    gatherer.add(facts, body);
    bytes_ += gatherer.memory() - before;
    return gatherer.size() - 1;
  }

  const std::optional<Compression> compression_;
  std::vector<std::optional<ChunkBuilder>> builders_;  // by partition; empty: chunks are to be open
  std::vector<ChunkGatherer> gatherers_;               // by partition; empty: they are not
  std::vector<Attachments> attachments_;  // by partition; empty while there are none
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace penstock::ingest
