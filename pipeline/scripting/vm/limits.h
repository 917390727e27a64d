#pragma once
// What one script may use for one event (instructions, time) and in all (memory).

#include <cstdint>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"

namespace penstock::scripting {

// What a benchmark switches off to see what it costs. No setting reaches it.
struct Safety {
  bool hook = true;       // instruction and time limits
  bool allocator = true;  // the counting one; else the general heap
};

struct Limits {
  Bytes memory_max = 64_MiB;                   // of everything the state holds
  std::int64_t instructions_max = 8'000'000;  // per call, about 40 ms; C functions charge the bytes and items they touch
  Duration time_max{1000};                     // per call, wall clock: the last line, for what is not charged
  Safety safety{};
};

// Which of them ended a call.
enum class Stop : std::uint8_t { none, memory, instructions, time };

}  // namespace penstock::scripting
