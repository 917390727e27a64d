#pragma once
// Times as texts by patterns like those of strftime.
//
//   %Y %m %d %H %M %S   year of four digits, the others of two       %y  year of two digits: 69 to 99 are 19xx
//   %L  milliseconds of three digits; reading takes any fraction     %j  day of the year     %s  seconds since 1970
//   %e  day, %k hour, with a space for a leading zero                %I %p  hour of twelve, AM or PM
//   %a %A %b %B  names of weekday and month, short and long          %z  "+0200", %:z "+02:00"
//   %F %T %D %R  %Y-%m-%d, %H:%M:%S, %m/%d/%y, %H:%M                 %%  a percent sign
// Reading takes numbers without their leading zeros, names of either case and either length, "Z" for an offset, and any
// number of spaces for one. What the text does not say is 1970-01-01T00:00:00.

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/scripting/library/time_text.h"

namespace penstock::scripting {

// nullopt: the text is not of that form, or there is no such time. An error names a directive that is none.
Result<std::optional<ReadTime>> parse_pattern(std::string_view text, std::string_view pattern);
Result<std::string> format_pattern(const WallTime& time, std::int64_t utc_ms, std::string_view pattern);

}  // namespace penstock::scripting
