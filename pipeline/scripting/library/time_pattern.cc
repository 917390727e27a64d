#include "pipeline/scripting/library/time_pattern.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "pipeline/scripting/library/time_reader.h"

namespace penstock::scripting {
namespace {

// What a directive of several others stands for; empty when it is none of these.
std::string_view meaning_of(char directive) {
  switch (directive) {
    case 'F': return "%Y-%m-%d";
    case 'T': return "%H:%M:%S";
    case 'D': return "%m/%d/%y";
    case 'R': return "%H:%M";
    default: return {};
  }
}

// Calls `literal(character)` and `directive(letter, colon)`, which return false to stop. An error names what is no directive.
template <class Literal, class Directive>
Result<bool> walk(std::string_view pattern, Literal&& literal, Directive&& directive) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      if (!literal(pattern[i])) return false;
      continue;
    }
    const bool colon = pattern.substr(i + 1).starts_with(":z");
    if (colon) ++i;
    const char letter = ++i < pattern.size() ? pattern[i] : '\0';
    if (const std::string_view meaning = meaning_of(letter); !meaning.empty()) {
      TRY_ASSIGN(const bool went_on, walk(meaning, literal, directive));
      if (!went_on) return false;
    } else if (letter == '%') {
      if (!literal('%')) return false;
    } else if (letter == '\0' || std::string_view("YmdHMSLyejskIpaAbBz").find(letter) == std::string_view::npos) {
      return fail(ErrorKind::invalid, fmt::format("the pattern '{}' has no directive '%{}'", pattern,
                                                  letter == '\0' ? "" : std::string(1, letter)));
    } else if (!directive(letter, colon)) {
      return false;
    }
  }
  return true;
}

class PatternReader {
 public:
  explicit PatternReader(std::string_view text) : in_(text) {}

  bool literal(char c) {
    if (c != ' ') return in_.take(c);
    in_.skip_spaces();
    return true;
  }

  bool directive(char letter) {
    switch (letter) {
      case 'Y': return number(4, 4, time_.year);
      case 'm': return number(1, 2, time_.month);
      case 'e': in_.skip_spaces(); [[fallthrough]];
      case 'd': return number(1, 2, time_.day);
      case 'k': in_.skip_spaces(); [[fallthrough]];
      case 'H': return number(1, 2, time_.hour);
      case 'I': return number(1, 2, time_.hour) && time_.hour >= 1 && time_.hour <= 12;
      case 'M': return number(1, 2, time_.minute);
      case 'S': return number(1, 2, time_.second);
      case 'L': return fraction();
      case 'j': return number(1, 3, yearday_) && yearday_ >= 1 && yearday_ <= 366;
      case 'y': return short_year();
      case 'p': return half_of_day();
      case 's': return epoch();
      case 'a':
      case 'A': return in_.name(kWeekdays).has_value();
      case 'b':
      case 'B': return name_of_month();
      default: offset_ = take_utc_offset(in_); return offset_.has_value();  // 'z', the last that `walk` lets pass
    }
  }

  std::optional<ReadTime> result() {
    if (!in_.at_end()) return std::nullopt;
    if (epoch_ms_) return ReadTime{*epoch_ms_ + time_.millisecond, 0};
    if (afternoon_) time_.hour = time_.hour % 12 + (*afternoon_ ? 12 : 0);
    auto local = local_ms_of(time_);
    if (!local) return std::nullopt;
    constexpr std::int64_t kDay = 86'400'000;
    if (yearday_ > 0) *local += (yearday_ - wall_time(*local, 0).yearday) * kDay;
    if (wall_time(*local, 0).year != time_.year && time_.second != 60) return std::nullopt;  // day 366 of a short year
    return ReadTime{*local, offset_};
  }

 private:
  bool number(std::size_t digits_min, std::size_t digits_max, int& to) {
    const auto read = in_.number(digits_min, digits_max);
    if (read) to = *read;
    return read.has_value();
  }

  bool fraction() {
    if (in_.at_end() || !is_digit(in_.rest().front())) return false;
    time_.millisecond = 0;
    for (int weight = 100; !in_.at_end() && is_digit(in_.rest().front()); weight /= 10) {
      time_.millisecond += weight * (in_.rest().front() - '0');
      in_.skip(1);
    }
    return true;
  }

  bool short_year() {
    if (!number(2, 2, time_.year)) return false;
    time_.year += time_.year < 69 ? 2000 : 1900;
    return true;
  }

  bool half_of_day() {
    if (in_.word("AM")) afternoon_ = false;
    else if (in_.word("PM")) afternoon_ = true;
    return afternoon_.has_value();
  }

  bool name_of_month() {
    const auto month = in_.name(kMonths);
    if (month) time_.month = *month;
    return month.has_value();
  }

  bool epoch() {
    std::int64_t seconds = 0;
    const std::string_view text = in_.rest();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (read.ec != std::errc() || seconds < kFirstMs / 1000 || seconds > kLastMs / 1000) return false;
    in_.skip(static_cast<std::size_t>(read.ptr - text.data()));
    epoch_ms_ = seconds * 1000;
    return true;
  }

  TimeReader in_;
  WallTime time_;
  int yearday_ = 0;
  std::optional<bool> afternoon_;
  std::optional<std::int64_t> offset_;
  std::optional<std::int64_t> epoch_ms_;
};

void append_directive(std::string& out, const WallTime& time, std::int64_t utc_ms, char letter, bool colon) {
  const auto put = [&](fmt::format_string<int&> format, int value) {
    fmt::format_to(std::back_inserter(out), format, value);
  };
  const std::string_view weekday = kWeekdays[static_cast<std::size_t>(time.weekday - 1)];
  const std::string_view month = kMonths[static_cast<std::size_t>(time.month - 1)];
  const int hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12;
  switch (letter) {
    case 'Y': return put("{:04}", time.year);
    case 'y': return put("{:02}", time.year % 100);
    case 'm': return put("{:02}", time.month);
    case 'd': return put("{:02}", time.day);
    case 'e': return put("{:2}", time.day);
    case 'H': return put("{:02}", time.hour);
    case 'k': return put("{:2}", time.hour);
    case 'I': return put("{:02}", hour12);
    case 'M': return put("{:02}", time.minute);
    case 'S': return put("{:02}", time.second);
    case 'L': return put("{:03}", time.millisecond);
    case 'j': return put("{:03}", time.yearday);
    case 's': out += fmt::to_string((utc_ms - (utc_ms % 1000 + 1000) % 1000) / 1000); return;
    case 'p': out += time.hour < 12 ? "AM" : "PM"; return;
    case 'a': out += weekday.substr(0, 3); return;
    case 'A': out += weekday; return;
    case 'b': out += month.substr(0, 3); return;
    case 'B': out += month; return;
    default: out += format_offset(time.offset_ms, colon); return;
  }
}

}  // namespace

Result<std::optional<ReadTime>> parse_pattern(std::string_view text, std::string_view pattern) {
  PatternReader reader(text);
  bool matching = true;  // after the first difference the pattern is still checked to its end
  TRY_ASSIGN(const bool whole,
             walk(
                 pattern, [&](char c) { return (matching = matching && reader.literal(c)), true; },
                 [&](char letter, bool) { return (matching = matching && reader.directive(letter)), true; }));
  if (!whole || !matching) return std::optional<ReadTime>();
  return reader.result();
}

Result<std::string> format_pattern(const WallTime& time, std::int64_t utc_ms, std::string_view pattern) {
  std::string out;
  TRY(walk(
      pattern, [&](char c) { return out += c, true; },
      [&](char letter, bool colon) { return append_directive(out, time, utc_ms, letter, colon), true; }));
  return out;
}

}  // namespace penstock::scripting
