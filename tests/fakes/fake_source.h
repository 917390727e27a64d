#pragma once
// A polled source of lines that a test writes by hand. Its position is the number of lines read, so it resumes where a
// commit left it.

#include <cstdlib>
#include <string>
#include <vector>

#include "pipeline/ports/source.h"

namespace penstock::fakes {

// The lines outlive every FakeSource made over them: a restart is a new source over the same lines.
struct FakeLines {
  std::vector<std::string> lines;
  bool finite = true;
  std::size_t lines_per_poll = 2;
};

class FakeSource : public PolledSource {
 public:
  explicit FakeSource(const FakeLines& script) : script_(script) {}

  Result<void> open(const std::vector<SourcePosition>& stored) override {
    next_ = stored.empty() ? 0 : std::strtoul(stored.front().position.c_str(), nullptr, 10);
    return {};
  }

  Result<PollState> poll(RawBatch& out, std::size_t bytes_max) override {
    out.partition = "0";
    out.label = "lines";
    std::size_t bytes = 0;
    for (std::size_t n = 0; n < script_.lines_per_poll && next_ < script_.lines.size() && bytes < bytes_max; ++n, ++next_) {
      bytes += script_.lines[next_].size();
      out.records.push_back({.body = script_.lines[next_], .offset = next_, .refused = {}});
    }
    if (out.records.empty()) return script_.finite ? PollState::finished : PollState::idle;
    out.position = std::to_string(next_);
    return PollState::more;
  }

  std::optional<std::uint64_t> unread_bytes() override {
    std::uint64_t bytes = 0;
    for (std::size_t n = next_; n < script_.lines.size(); ++n) bytes += script_.lines[n].size();
    return bytes;
  }

  void close() override {}

 private:
  const FakeLines& script_;
  std::size_t next_ = 0;
};

}  // namespace penstock::fakes
