#pragma once
// What the log is to say of events that an app failed on: of each kind of failure at once, and then no more than once in a while, with
// how many there were and the first of them. Not thread-safe; the times are the caller's.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/uuid.h"

namespace penstock::scripting {

class FailureNotes {
 public:
  static constexpr Duration kEvery{10'000};

  // `kind`: such as "app_error"; it must stay. `message` names file and line.
  void add(std::string_view kind, const Uuid& event, std::string_view message);
  // One sentence for each kind of which something is to be told now.
  std::vector<std::string> due(SteadyTime now) { return untold_ == 0 ? std::vector<std::string>() : tell(now); }

 private:
  struct Note {
    std::string_view kind;
    std::uint64_t count = 0;  // since it was told
    std::string first{};  // of these
    bool again = false;  // it was told before
    SteadyTime not_before{};
  };

  std::vector<std::string> tell(SteadyTime now);

  std::vector<Note> notes_;  // by kind: a few
  std::uint64_t untold_ = 0;
};

}  // namespace penstock::scripting
