#pragma once
// Times as events carry them.

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"

namespace penstock {

// ISO 8601 / RFC 3339 as SDKs send it: "2026-08-01T10:00:00.123Z", with or without fraction (any number of digits, cut to
// milliseconds), zone "Z", "+02:00", "+0200" or none (then UTC), 'T' or a space between, or a bare date. Years 1 to 9999.
std::optional<Timestamp> parse_timestamp(std::string_view text);

// A JSON number as a time: seconds below 1e11, milliseconds from there (the year 5138 in seconds, 1973 in milliseconds).
std::optional<Timestamp> timestamp_from_number(double value);

// "2026-08-01T10:00:00.123Z": always 24 characters. A time outside the years 1 to 9999 is written as the nearest inside.
std::string format_timestamp(Timestamp time);
void append_timestamp(std::string& out, Timestamp time);

}  // namespace penstock
