#pragma once
// Times as texts in other forms than pipeline/event/timestamps.h knows: what a wall shows, offsets, the dates of mail.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/scripting/library/time_reader.h"

namespace penstock::scripting {

// Years 1 to 9999, in milliseconds since 1970.
inline constexpr std::int64_t kFirstMs = -62'135'596'800'000;
inline constexpr std::int64_t kLastMs = 253'402'300'799'999;

// What a clock and a calendar on the wall show.
struct WallTime {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
  int weekday = 4;  // 1 is Monday
  int yearday = 1;
  std::int64_t offset_ms = 0;  // from UTC
};

WallTime wall_time(std::int64_t local_ms, std::int64_t offset_ms);
// The other way, without the offset. nullopt: no such day or hour. A second of 60 is the first of the next minute.
std::optional<std::int64_t> local_ms_of(const WallTime& time);

// "+02:00", "-0530", "+02" in milliseconds.
std::optional<std::int64_t> parse_offset(std::string_view text);
// "Z" too, at the front of what is read.
std::optional<std::int64_t> take_utc_offset(TimeReader& in);
// "+02:00", or "+0200" without colon.
std::string format_offset(std::int64_t offset_ms, bool colon);

// A text that was read: what the wall shows, and how far that is from UTC if the text says so.
struct ReadTime {
  std::int64_t local_ms = 0;
  std::optional<std::int64_t> offset_ms;
};

// RFC 2822 with the old forms of RFC 822: the day's name may be missing or wrong, years have two to four digits, zones have
// names such as GMT and EST, comments may follow.
std::optional<ReadTime> parse_rfc2822(std::string_view text);
std::string format_rfc2822(const WallTime& time);

}  // namespace penstock::scripting
