#include "pipeline/delivery/moment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "pipeline/event/timestamps.h"

namespace penstock::delivery {
namespace {

// 0: no unit of time.
std::int64_t unit_ms(char unit) {
  switch (unit) {
    case 's': return 1000;
    case 'm': return 60'000;
    case 'h': return 3'600'000;
    case 'd': return 86'400'000;
    default: return 0;
  }
}

}  // namespace

Result<Moment> read_moment(std::string_view text, Timestamp now) {
  if (text == "now") return Moment{};
  if (text == "earliest") return Moment{Moment::Kind::earliest, {}};
  constexpr std::int64_t kMost = 1'000'000'000;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end + 1 == text.data() + text.size() && unit_ms(*end) > 0 && count >= 0 && count <= kMost)
    return Moment{Moment::Kind::time, {std::max<std::int64_t>(0, now.ms - count * unit_ms(*end))}};
  if (const auto time = parse_timestamp(text)) return Moment{Moment::Kind::time, *time};
  return fail(
      ErrorKind::invalid,
      fmt::format("'{}': expected now, earliest, a time such as 2026-08-01T10:00:00Z, or how long ago, such as 2h", text));
}

Result<Offsets> offsets_of(const Moment& moment, Log& log) {
  switch (moment.kind) {
    case Moment::Kind::now: return log.end(LogName::events);
    case Moment::Kind::earliest: return log.begin(LogName::events);
    case Moment::Kind::time: return log.offsets_at(LogName::events, moment.time);
  }
  return log.end(LogName::events);
}

}  // namespace penstock::delivery
