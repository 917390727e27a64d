#include "tests/simulation/feed.h"

#include <algorithm>

namespace penstock::simulation {
namespace {

constexpr int kLinesAtOnce = 3;

}  // namespace

// One input partition at a time, any that has more. A position is the number of lines read.
class Feed::Wire final : public PolledSource {
 public:
  explicit Wire(Feed& feed) : feed_(feed) {}

  Result<void> open(const std::vector<SourcePosition>& stored) override {
    if (open_) feed_.trace_.wrong("feed: opened twice");
    TRY(feed_.answer());
    open_ = true;
    next_.assign(feed_.lines_.size(), 0);
    for (const auto& [source, partition, position] : stored) next_.at(std::stoul(partition)) = std::stoul(position);
    return {};
  }

  Result<PollState> poll(RawBatch& out, std::size_t) override {
    if (!open_) feed_.trace_.wrong("feed: read and not open");
    TRY(feed_.answer());
    std::vector<std::size_t> unread;
    for (std::size_t p = 0; p < next_.size(); ++p)
      if (next_[p] < feed_.lines_[p].size()) unread.push_back(p);
    if (unread.empty()) return PollState::idle;
    const std::size_t partition = unread[feed_.chance_.below(unread.size())];
    const auto& lines = feed_.lines_[partition];
    std::size_t& next = next_[partition];
    for (int count = feed_.chance_.between(1, kLinesAtOnce); count > 0 && next < lines.size(); --count, ++next)
      out.records.push_back({.body = lines[next].body, .offset = next, .refused = {}});
    out.partition = std::to_string(partition);
    out.label = "feed " + out.partition;
    out.position = std::to_string(next);
    return PollState::more;
  }

  void close() override { open_ = false; }

 private:
  Feed& feed_;
  bool open_ = false;
  std::vector<std::size_t> next_;
};

std::unique_ptr<PolledSource> Feed::make() { return std::make_unique<Wire>(*this); }

Result<void> Feed::answer() {
  if (spared_ || failures_ == 0) return {};
  --failures_;
  return penstock::fail(ErrorKind::unavailable, "it is not there");
}

}  // namespace penstock::simulation
