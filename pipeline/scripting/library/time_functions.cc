// Times as milliseconds since 1970, as texts, and in parts.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/event/timestamps.h"
#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/time_pattern.h"
#include "pipeline/scripting/library/time_text.h"
#include "pipeline/scripting/library/time_zone.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kSteps = 50;  // of one call, besides the bytes
// Of a name's, a lookup and a message: no zone has a name half as long.
constexpr std::size_t kZoneBytesMax = 100;
constexpr std::uint64_t kStepsOfRefusal = 500;
constexpr std::size_t kPatternBytesMax = 1000;
constexpr std::uint64_t kStepsPerPatternByte = 4;

// The zone of that name; remembered, because looking it up costs more than using it.
TimeZone zone_named(lua_State* state, std::string_view name) {
  constexpr std::size_t kRememberedMax = 1000;
  thread_local std::map<std::string, TimeZone, std::less<>> remembered;
  if (const auto it = remembered.find(name); it != remembered.end()) return it->second;
  Vm& vm = Vm::of(state);
  if (name.size() > kZoneBytesMax) {
    vm.charge(state, kStepsOfRefusal);
    luaL_error(state, "unknown time zone '%s'", shortened(name).c_str());
  }
  const bool read_before = TimeZone::database_read();
  const auto zone = TimeZone::find(name);
  // Reading the database is no fault of the script's. Only then: a script that could start its time anew would have no limit.
  if (!read_before && TimeZone::database_read()) vm.restart_clock();
  if (!zone) vm.charge(state, kStepsOfRefusal);
  if (!zone) luaL_error(state, "%s", zone.error().message.c_str());
  if (remembered.size() < kRememberedMax) remembered.emplace(name, *zone);
  return *zone;
}

// The arguments after the time: a format, a zone, or both in this order.
struct Form {
  std::string_view format;  // empty: the usual
  TimeZone zone;
  bool zoned = false;
};

// Paid for, because each directive is a number read or written.
std::string_view checked_format(lua_State* state, std::string_view format) {
  if (format.size() > kPatternBytesMax)
    luaL_error(state, "a format of %d bytes; the limit is %d", static_cast<int>(format.size()),
               static_cast<int>(kPatternBytesMax));
  Vm::of(state).charge(state, format.size() * kStepsPerPatternByte);
  return format;
}

template <std::size_t n>
Form form_arguments(lua_State* state, const std::array<std::string_view, n>& formats) {
  Form form;
  int next = 2;
  if (const auto first = optional_text(state, 2)) {
    const bool format = first->find('%') != std::string_view::npos || std::ranges::find(formats, *first) != formats.end();
    if (format) form.format = checked_format(state, *first);
    if (format) next = 3;
  } else {
    next = 3;
  }
  if (const auto zone = optional_text(state, next)) {
    form.zone = zone_named(state, *zone);
    form.zoned = true;
  }
  return form;
}

int give_time(lua_State* state, std::optional<std::int64_t> ms) {
  if (!ms || *ms < kFirstMs || *ms > kLastMs) return no_result(state, "no time of the years 1 to 9999 in this form");
  lua_pushinteger(state, *ms);
  return 1;
}

int give_time(lua_State* state, const std::optional<ReadTime>& read, const TimeZone& zone) {
  if (!read) return give_time(state, std::nullopt);
  return give_time(state, read->offset_ms ? read->local_ms - *read->offset_ms : zone.from_local(read->local_ms).ms);
}

std::optional<double> to_number(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const bool digits =
      !text.empty() && (is_digit(text.front()) || (text.front() == '-' && text.size() > 1 && is_digit(text[1])));
  if (!digits || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// What an ISO 8601 text says of an offset: it may stand only after a time of day.
bool has_offset(std::string_view text) {
  return text.size() > 11 &&
         (text.ends_with('Z') || text.ends_with('z') || text.find_first_of("+-", 11) != std::string_view::npos);
}

std::optional<std::int64_t> to_ms(double number, std::string_view format) {
  constexpr double kMost = static_cast<double>(kLastMs);
  if (format != "s" && format != "ms") {
    const auto time = timestamp_from_number(number);
    return time ? std::optional(time->ms) : std::nullopt;
  }
  const double ms = format == "s" ? number * 1000 : number;
  if (!(ms >= -kMost && ms <= kMost)) return std::nullopt;
  return std::llround(ms);
}

// The forms of ISO 8601 that events may not have but texts do: without seconds, without separators, with a comma, "+02".
std::optional<ReadTime> parse_other_iso(std::string_view text) {
  constexpr std::array<std::string_view, 9> kForms{"%FT%H:%M%z", "%FT%H:%M", "%F %H:%M",        "%FT%T%z",      "%FT%T.%L%z",
                                                   "%FT%T,%L%z", "%FT%T,%L", "%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M%S"};
  for (const std::string_view form : kForms)
    if (const auto read = parse_pattern(text, form); read && *read) return *read;
  return std::nullopt;
}

int parse(lua_State* state) {
  constexpr std::array<std::string_view, 4> kFormats{"iso", "rfc2822", "s", "ms"};
  Vm::of(state).charge(state, kSteps);
  const bool number = lua_type(state, 1) == LUA_TNUMBER;
  const std::string_view text = number ? std::string_view() : text_argument(state, 1);
  const Form form = form_arguments(state, kFormats);
  if (number) return give_time(state, to_ms(lua_tonumber(state, 1), form.format));
  charge_for_bytes(state, text.size() + form.format.size());
  if (form.format.find('%') != std::string_view::npos) {
    const auto read = parse_pattern(text, form.format);
    if (!read) luaL_error(state, "%s", read.error().message.c_str());
    return give_time(state, *read, form.zone);
  }
  const bool any = form.format.empty();
  if (any || form.format == "s" || form.format == "ms") {
    if (const auto value = to_number(text)) return give_time(state, to_ms(*value, form.format));
  }
  if (any || form.format == "iso") {
    if (const auto time = parse_timestamp(text))
      return give_time(state, has_offset(text) ? time->ms : form.zone.from_local(time->ms).ms);
    if (const auto read = parse_other_iso(text)) return give_time(state, read, form.zone);
  }
  if (any || form.format == "rfc2822") return give_time(state, parse_rfc2822(text), form.zone);
  return give_time(state, std::nullopt);
}

Timestamp time_argument(lua_State* state) {
  const lua_Integer ms = luaL_checkinteger(state, 1);
  luaL_argcheck(state, ms >= kFirstMs && ms <= kLastMs, 1, "a time in milliseconds of the years 1 to 9999 expected");
  return Timestamp{ms};
}

WallTime shown(Timestamp time, const TimeZone& zone) {
  const std::int64_t offset = zone.offset_at(time);
  return wall_time(std::clamp(time.ms + offset, kFirstMs, kLastMs), offset);
}

std::string format_iso(const WallTime& time, bool zoned) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{}", time.year, time.month, time.day, time.hour, time.minute,
                     time.second, time.millisecond, zoned ? format_offset(time.offset_ms, true) : "Z");
}

int format(lua_State* state) {
  constexpr std::array<std::string_view, 4> kFormats{"iso", "rfc2822", "date", "epoch"};
  Vm::of(state).charge(state, kSteps);
  const Timestamp time = time_argument(state);
  const Form form = form_arguments(state, kFormats);
  charge_for_bytes(state, 16 * form.format.size());
  const WallTime wall = shown(time, form.zone);
  std::string text;
  if (form.format.empty() || form.format == "iso") {
    text = format_iso(wall, form.zoned);
  } else if (form.format == "rfc2822") {
    text = format_rfc2822(wall);
  } else {
    const std::string_view pattern = form.format == "date" ? "%F" : form.format == "epoch" ? "%s" : form.format;
    const auto formatted = format_pattern(wall, time.ms, pattern);
    if (!formatted) luaL_error(state, "%s", formatted.error().message.c_str());
    text = *formatted;
  }
  push_text(state, text);
  return 1;
}

int parts(lua_State* state) {
  Vm::of(state).charge(state, kSteps);
  const Timestamp time = time_argument(state);
  const auto name = optional_text(state, 2);
  const WallTime wall = shown(time, name ? zone_named(state, *name) : TimeZone());
  const std::pair<const char*, std::int64_t> fields[] = {{"year", wall.year},
                                                         {"month", wall.month},
                                                         {"day", wall.day},
                                                         {"hour", wall.hour},
                                                         {"minute", wall.minute},
                                                         {"second", wall.second},
                                                         {"millisecond", wall.millisecond},
                                                         {"weekday", wall.weekday},
                                                         {"yearday", wall.yearday},
                                                         {"offset", wall.offset_ms / 1000}};
  lua_createtable(state, 0, static_cast<int>(std::size(fields)));
  for (const auto& [field, value] : fields) {
    lua_pushinteger(state, value);
    lua_setfield(state, -2, field);
  }
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"time.parse", "time: string|number, format_or_zone?: string, zone?: string", "integer?, string?",
     "Milliseconds since 1970, or nil and a message. Without a format it reads ISO 8601, RFC 2822, and numbers: below 1e11 "
     "seconds, from there milliseconds. Formats: 'iso', 'rfc2822', 's', 'ms', or a pattern as strftime has them, of %Y %m "
     "%d %H "
     "%M %S %L (milliseconds) %y %e %k %I %p %j %a %A %b %B %z %:z %s %F %T %D %R %%. A zone ('Europe/Berlin', '+02:00') is "
     "for "
     "texts without offset, which otherwise are UTC: where clocks show a time twice it is the first, where they jump over "
     "it, "
     "as if they had not jumped yet. Unknown zones and directives are errors.",
     "{app.time.parse('2026-08-01T10:00:00Z'), app.time.parse('Sat, 1 Aug 2026 10:00:00 GMT'), app.time.parse(1785578400), "
     "app.time.parse('2026-08-01 12:00:00', 'Europe/Berlin'), app.time.parse('8/1/2026 10:00 AM', '%m/%d/%Y %I:%M %p')}",
     "[1785578400000,1785578400000,1785578400000,1785578400000,1785578400000]", parse},
    {"time.format", "milliseconds: integer, format_or_zone?: string, zone?: string", "string",
     "The text of a time: 'iso' (the default), 'rfc2822', 'date', 'epoch' (seconds), or a pattern as app.time.parse has "
     "them; "
     "in UTC or as clocks in the zone show it.",
     "{app.time.format(1785578400123), app.time.format(1785578400123, 'America/New_York'), app.time.format(1785578400123, "
     "'rfc2822'), app.time.format(1785578400123, '%A, %e %B %H:%M', 'Asia/Tokyo')}",
     R"(["2026-08-01T10:00:00.123Z","2026-08-01T06:00:00.123-04:00","Sat, 01 Aug 2026 10:00:00 +0000",)"
     R"("Saturday,  1 August 19:00"])",
     format},
    {"time.parts", "milliseconds: integer, zone?: string",
     "{year: integer, month: integer, day: integer, hour: integer, minute: integer, second: integer, millisecond: integer, "
     "weekday: integer, yearday: integer, offset: integer}",
     "What calendar and clock show at a time, in UTC or in a zone. weekday is 1 on Mondays, offset the seconds from UTC.",
     "app.time.parts(1785578400123, 'Asia/Kolkata')",
     R"({"day":1,"hour":15,"millisecond":123,"minute":30,"month":8,"offset":19800,"second":0,"weekday":6,"year":2026,)"
     R"("yearday":213})",
     parts},
};

}  // namespace

std::span<const AppFunction> time_functions() { return kFunctions; }

}  // namespace penstock::scripting
