#pragma once
// What a polled source reads: a log of somebody else's, in several input partitions that grow. It is read in place, so it outlives
// every process; the source itself is a wire to it, and can be told to fail.

#include <string>
#include <vector>

#include "pipeline/ports/source.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/sent_event.h"
#include "tests/simulation/trace.h"

namespace penstock::simulation {

inline constexpr const char* kFeedName = "feed";

class Feed {
 public:
  Feed(std::size_t partitions, Chance& chance, Trace& trace) : chance_(chance), trace_(trace), lines_(partitions) {}

  void add(std::size_t partition, SentEvent event) { lines_[partition].push_back(std::move(event)); }
  std::size_t draw_partition(Chance& chance) const { return chance.below(lines_.size()); }
  const std::vector<std::vector<SentEvent>>& lines() const { return lines_; }  // by partition

  // As a new process has it.
  std::unique_ptr<PolledSource> make();
  // So many of its next calls say that it is not there, once it is not `spared`.
  void fail(int times) { failures_ = times; }
  void heal() { failures_ = 0; }
  // Whoever reads has a commit in flight: after an error it would wait for the answer, and nobody else is there to give it.
  void spare(bool spared) { spared_ = spared; }

 private:
  class Wire;
  Result<void> answer();

  Chance& chance_;
  Trace& trace_;
  std::vector<std::vector<SentEvent>> lines_;
  int failures_ = 0;
  bool spared_ = false;
};

}  // namespace penstock::simulation
