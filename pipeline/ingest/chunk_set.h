#pragma once
// One chunk per partition, filled side by side, for one record of a log; and what is attached to their events.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event/attachment.h"
#include "pipeline/event/chunk.h"

namespace penstock::ingest {

class ChunkSet {
 public:
  explicit ChunkSet(int partitions, Compression compression = Compression::lz4)
      : compression_(compression), builders_(static_cast<std::size_t>(partitions)) {}

  void add(const Facts& facts, std::string_view body, const Attachment* attachment = nullptr) {
    const int partition = partition_of(facts, static_cast<int>(builders_.size()));
    auto& builder = builders_[static_cast<std::size_t>(partition)];
    if (!builder) builder.emplace(partition, compression_);
    const auto before = builder->bytes();
    builder->add(facts, body);
    bytes_ += builder->bytes() - before;
    ++events_;
    if (attachment == nullptr) return;
    attachments_.resize(builders_.size());
    auto& attached = attachments_[static_cast<std::size_t>(partition)];
    const auto attached_before = attached.bytes();
    attached.add(builder->size() - 1, *attachment);
    bytes_ += attached.bytes() - attached_before;
  }

  std::size_t events() const { return events_; }
  std::size_t bytes() const { return bytes_; }

  struct Finished {
    std::vector<std::string> chunks;
    std::vector<Attachments> attachments;  // one for each; empty: none has any
  };
  // The stored chunks of the partitions that got something, in partition order; the set is empty afterwards.
  Finished finish() {
    Finished finished;
    for (std::size_t p = 0; p < builders_.size(); ++p) {
      if (!builders_[p] || builders_[p]->size() == 0) continue;
      builders_[p]->finish(finished.chunks.emplace_back());
      if (!attachments_.empty()) finished.attachments.push_back(std::move(attachments_[p]));
    }
    attachments_.clear();
    events_ = bytes_ = 0;
    return finished;
  }

 private:
  Compression compression_;
  std::vector<std::optional<ChunkBuilder>> builders_;
  std::vector<Attachments> attachments_;  // by partition; empty while there are none
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace penstock::ingest
