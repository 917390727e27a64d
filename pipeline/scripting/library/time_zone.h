#pragma once
// Time zones by name, from the system's database (Debian's tzdata). The only file that knows the date library.

#include <cstdint>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace date {
class time_zone;
}

namespace penstock::scripting {

// A value: UTC, a fixed offset, or a place with its history. Valid for ever. The database is read once, on first use of a
// name of it, which takes some milliseconds.
class TimeZone {
 public:
  TimeZone() = default;  // UTC

  // "UTC", "Z", "+02:00", "-0530", "Europe/Berlin". An error names the zone, or says that there is no database.
  static Result<TimeZone> find(std::string_view name);
  static TimeZone fixed(std::int64_t offset_ms);
  // Whether this process has read the database. It does so once.
  static bool database_read();

  // What to add to a time to get what clocks there show.
  std::int64_t offset_at(Timestamp time) const;
  // The time at which clocks show this. Where they show it twice, the first; where they jump over it, as if they had not
  // jumped yet, so that 02:30 in a gap of an hour becomes 03:30.
  Timestamp from_local(std::int64_t local_ms) const;

 private:
  const date::time_zone* zone_ = nullptr;
  std::int64_t offset_ms_ = 0;
};

}  // namespace penstock::scripting
