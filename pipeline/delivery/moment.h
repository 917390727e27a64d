#pragma once
// A place in the log as people say it: `now`, `earliest`, a time, or how long ago.

#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"

namespace penstock::delivery {

struct Moment {
  enum class Kind : std::uint8_t { now, earliest, time };
  Kind kind = Kind::now;
  Timestamp time;  // by when events were appended to the log

  friend bool operator==(const Moment&, const Moment&) = default;
};

// "now", "earliest", "2026-08-01T10:00:00Z", or a whole number with s, m, h or d: so long before `now`. invalid: anything else.
Result<Moment> read_moment(std::string_view text, Timestamp now);

// Where in `events` that is.
Result<Offsets> offsets_of(const Moment& moment, Log& log);

}  // namespace penstock::delivery
