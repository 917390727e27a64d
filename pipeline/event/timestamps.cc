#include "pipeline/event/timestamps.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace penstock {
namespace {

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kDay = 86'400 * kSecond;
constexpr std::int64_t kFirst = -62'135'596'800'000;  // 0001-01-01T00:00:00.000Z
constexpr std::int64_t kLast = 253'402'300'799'999;   // 9999-12-31T23:59:59.999Z

// Takes what it recognises from the front; every `take` that fails leaves the text as it was.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `digits` digits.
  std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }

  // One or more digits after the point, cut to milliseconds.
  std::optional<int> fraction() {
    if (rest_.empty() || !is_digit(rest_.front())) return std::nullopt;
    int value = 0;
    for (int weight = 100; !rest_.empty() && is_digit(rest_.front()); weight /= 10) {
      value += weight * (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  std::string_view rest_;
};

std::optional<std::int64_t> take_date(Cursor& in) {
  const auto year = in.number(4);
  if (!year || *year < 1 || !in.take('-')) return std::nullopt;
  const auto month = in.number(2);
  if (!month || !in.take('-')) return std::nullopt;
  const auto day = in.number(2);
  if (!day) return std::nullopt;
  const auto date = std::chrono::year(*year) / *month / *day;
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDay;
}

// A leap second is the first instant of the next minute, as everywhere that counts in POSIX time.
std::optional<std::int64_t> take_time_of_day(Cursor& in) {
  const auto hour = in.number(2);
  if (!hour || *hour > 23 || !in.take(':')) return std::nullopt;
  const auto minute = in.number(2);
  if (!minute || *minute > 59 || !in.take(':')) return std::nullopt;
  const auto second = in.number(2);
  if (!second || *second > 60) return std::nullopt;
  int ms = 0;
  if (in.take('.')) {
    const auto fraction = in.fraction();
    if (!fraction) return std::nullopt;
    ms = *fraction;
  }
  return ((*hour * 60 + *minute) * 60 + *second) * kSecond + ms;
}

// What to subtract to come to UTC.
std::optional<std::int64_t> take_zone(Cursor& in) {
  if (in.at_end() || in.take('Z') || in.take('z')) return 0;
  const bool west = in.take('-');
  if (!west && !in.take('+')) return std::nullopt;
  const auto hours = in.number(2);
  in.take(':');
  const auto minutes = in.number(2);
  if (!hours || *hours > 23 || !minutes || *minutes > 59) return std::nullopt;
  const std::int64_t offset = (*hours * 60 + *minutes) * 60 * kSecond;
  return west ? -offset : offset;
}

std::optional<Timestamp> in_range(std::int64_t ms) {
  if (ms < kFirst || ms > kLast) return std::nullopt;
  return Timestamp{ms};
}

void put_digits(char* to, std::size_t digits, std::uint32_t value) {
  for (std::size_t i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Cursor in(text);
  const auto date = take_date(in);
  if (!date) return std::nullopt;
  if (in.at_end()) return Timestamp{*date};
  if (!in.take('T') && !in.take('t') && !in.take(' ')) return std::nullopt;
  const auto time = take_time_of_day(in);
  if (!time) return std::nullopt;
  const auto zone = take_zone(in);
  if (!zone || !in.at_end()) return std::nullopt;
  return in_range(*date + *time - *zone);
}

std::optional<Timestamp> timestamp_from_number(double value) {
  constexpr double kSmallestInMilliseconds = 1e11;
  if (!std::isfinite(value)) return std::nullopt;
  const double ms = std::abs(value) < kSmallestInMilliseconds ? value * 1000 : value;
  if (ms < static_cast<double>(kFirst) || ms > static_cast<double>(kLast)) return std::nullopt;
  return in_range(std::llround(ms));
}

void append_timestamp(std::string& out, Timestamp time) {
  const std::int64_t ms = std::clamp(time.ms, kFirst, kLast);
  const auto instant = std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(ms));
  const auto day = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const auto of_day = static_cast<std::uint32_t>((instant - day).count());
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text, 4, static_cast<std::uint32_t>(static_cast<int>(date.year())));
  put_digits(text + 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text + 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text + 11, 2, of_day / 3'600'000);
  put_digits(text + 14, 2, of_day / 60'000 % 60);
  put_digits(text + 17, 2, of_day / 1000 % 60);
  put_digits(text + 20, 3, of_day % 1000);
  out.append(text, sizeof text - 1);
}

std::string format_timestamp(Timestamp time) {
  std::string out;
  append_timestamp(out, time);
  return out;
}

}  // namespace penstock
