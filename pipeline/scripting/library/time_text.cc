#include "pipeline/scripting/library/time_text.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "pipeline/scripting/library/time_reader.h"

namespace penstock::scripting {
namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

constexpr std::pair<std::string_view, int> kZones[] = {{"UT", 0},   {"GMT", 0},  {"UTC", 0},  {"Z", 0},
                                                       {"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                                                       {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};

// "+hhmm", "+hh:mm" or "+hh".
std::optional<std::int64_t> take_offset(TimeReader& in) {
  const bool west = in.take('-');
  if (!west && !in.take('+')) return std::nullopt;
  const auto hours = in.number(2, 2);
  if (!hours || *hours > 23) return std::nullopt;
  const bool colon = in.take(':');
  const auto minutes = in.number(2, 2);
  if ((colon && !minutes) || minutes.value_or(0) > 59) return std::nullopt;
  const std::int64_t offset = *hours * kHour + minutes.value_or(0) * kMinute;
  return west ? -offset : offset;
}

// An offset or a name. RFC 2822 says to take a name that is not known for UTC.
std::optional<std::int64_t> take_zone(TimeReader& in) {
  if (const auto offset = take_offset(in)) return offset;
  std::size_t letters = 0;
  while (letters < in.rest().size() && lower_letter(in.rest()[letters]) >= 'a' && lower_letter(in.rest()[letters]) <= 'z')
    ++letters;
  if (letters == 0) return std::nullopt;
  TimeReader word(in.rest().substr(0, letters));
  in.skip(letters);
  for (const auto& [name, hours] : kZones)
    if (TimeReader it = word; it.word(name) && it.at_end()) return hours * kHour;
  return 0;
}

std::optional<int> take_year(TimeReader& in) {
  const std::size_t before = in.rest().size();
  const auto year = in.number(2, 4);
  if (!year) return std::nullopt;
  switch (before - in.rest().size()) {
    case 2: return *year + (*year < 50 ? 2000 : 1900);
    case 3: return *year + 1900;
    default: return year;
  }
}

}  // namespace

WallTime wall_time(std::int64_t local_ms, std::int64_t offset_ms) {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::milliseconds> instant{chrono::milliseconds(local_ms)};
  const auto day = chrono::floor<chrono::days>(instant);
  const chrono::year_month_day date(day);
  const auto of_day = static_cast<int>((instant - day).count());
  WallTime time;
  time.year = static_cast<int>(date.year());
  time.month = static_cast<int>(static_cast<unsigned>(date.month()));
  time.day = static_cast<int>(static_cast<unsigned>(date.day()));
  time.hour = of_day / 3'600'000;
  time.minute = of_day / 60'000 % 60;
  time.second = of_day / 1000 % 60;
  time.millisecond = of_day % 1000;
  time.weekday = static_cast<int>(chrono::weekday(day).iso_encoding());
  time.yearday = static_cast<int>((day - chrono::sys_days(date.year() / 1 / 1)).count()) + 1;
  time.offset_ms = offset_ms;
  return time;
}

std::optional<std::int64_t> local_ms_of(const WallTime& time) {
  namespace chrono = std::chrono;
  const auto date = chrono::year(time.year) / time.month / time.day;
  if (!date.ok() || time.year < 1 || time.year > 9999) return std::nullopt;
  if (time.hour > 23 || time.minute > 59 || time.second > 60) return std::nullopt;
  const std::int64_t days = chrono::sys_days(date).time_since_epoch().count();
  return days * kDay + time.hour * kHour + time.minute * kMinute + time.second * std::int64_t{1000} + time.millisecond;
}

std::optional<std::int64_t> parse_offset(std::string_view text) {
  TimeReader in(text);
  const auto offset = take_offset(in);
  return in.at_end() ? offset : std::nullopt;
}

std::string format_offset(std::int64_t offset_ms, bool colon) {
  const std::int64_t minutes = std::abs(offset_ms) / kMinute;
  return fmt::format("{}{:02}{}{:02}", offset_ms < 0 ? '-' : '+', minutes / 60, colon ? ":" : "", minutes % 60);
}

std::optional<ReadTime> parse_rfc2822(std::string_view text) {
  TimeReader in(text);
  in.skip_spaces();
  if (in.name(kWeekdays)) {
    in.skip_spaces();
    in.take(',');
    in.skip_spaces();
  }
  WallTime time;
  const auto day = in.number(1, 2);
  in.skip_spaces();
  const auto month = in.name(kMonths);
  in.skip_spaces();
  const auto year = take_year(in);
  in.skip_spaces();
  const auto hour = in.number(1, 2);
  if (!day || !month || !year || !hour || !in.take(':')) return std::nullopt;
  const auto minute = in.number(2, 2);
  const auto second = in.take(':') ? in.number(2, 2) : 0;
  if (!minute || !second) return std::nullopt;
  time.day = *day;
  time.month = *month;
  time.year = *year;
  time.hour = *hour;
  time.minute = *minute;
  time.second = *second;
  in.skip_spaces();
  const auto offset = take_zone(in);
  in.skip_spaces();
  const bool comment = in.rest().starts_with('(') && in.rest().ends_with(')');
  const auto local = local_ms_of(time);
  if (!local || (!in.at_end() && !comment)) return std::nullopt;
  return ReadTime{*local, offset};
}

std::string format_rfc2822(const WallTime& time) {
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} {}",
                     kWeekdays[static_cast<std::size_t>(time.weekday - 1)].substr(0, 3), time.day,
                     kMonths[static_cast<std::size_t>(time.month - 1)].substr(0, 3), time.year, time.hour, time.minute,
                     time.second, format_offset(time.offset_ms, false));
}

std::optional<std::int64_t> take_utc_offset(TimeReader& in) {
  if (in.take('Z') || in.take('z')) return 0;
  return take_offset(in);
}

}  // namespace penstock::scripting
