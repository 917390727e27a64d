#pragma once
// What the log says of ingest's dead letters: at once, and then no more than once in a while, with how many there were since the
// last time and the first of them. They count once they are durable. Used by one worker.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/base/clock.h"
#include "pipeline/event/dead_letter.h"

namespace penstock::ingest {

class DeathNotice {
 public:
  static constexpr Duration kEvery{10'000};

  // One of the batch in hand.
  void add(const DeadLetter& letter) { collected_.add(letter); }
  void batch_appended() { appended_ = std::exchange(collected_, {}); }
  void batch_durable() { untold_.add(std::exchange(appended_, {})); }
  void batch_discarded() { collected_ = {}; }
  void appended_discarded() { appended_ = {}; }

  // The sentence, when it is time for one.
  std::optional<std::string> due(SteadyTime now) {
    return untold_.count == 0 || now < not_before_ ? std::nullopt : std::optional(tell(now));
  }

 private:
  struct Deaths {
    std::uint64_t count = 0;
    std::string first{};

    void add(const DeadLetter& letter);
    void add(Deaths more);
  };

  std::string tell(SteadyTime now);

  Deaths collected_, appended_, untold_;
  SteadyTime not_before_{};
};

}  // namespace penstock::ingest
