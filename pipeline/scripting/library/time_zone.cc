#include "pipeline/scripting/library/time_zone.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <new>

#include "pipeline/scripting/library/time_text.h"

namespace penstock::scripting {
namespace {

using std::chrono::milliseconds;

std::atomic<bool> is_read{false};

std::int64_t in_ms(std::chrono::seconds offset) { return milliseconds(offset).count(); }

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  if (name == "UTC" || name == "GMT" || name == "Z") return TimeZone();
  if (name.starts_with('+') || name.starts_with('-')) {
    if (const auto offset = parse_offset(name)) return fixed(*offset);
    return fail(ErrorKind::invalid, fmt::format("'{}' is no offset from UTC, as in +02:00", name));
  }
  TimeZone zone;
  try {
    date::get_tzdb();
    is_read = true;
    zone.zone_ = date::locate_zone(name);
    zone.zone_->get_info(date::sys_seconds());  // reads the file of the zone: later it only looks things up
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return fail(ErrorKind::not_found, fmt::format("unknown time zone '{}': {}", name, error.what()));
  }
  return zone;
}

bool TimeZone::database_read() { return is_read; }

TimeZone TimeZone::fixed(std::int64_t offset_ms) {
  TimeZone zone;
  zone.offset_ms_ = offset_ms;
  return zone;
}

std::int64_t TimeZone::offset_at(Timestamp time) const {
  if (zone_ == nullptr) return offset_ms_;
  return in_ms(zone_->get_info(date::sys_time<milliseconds>(milliseconds(time.ms))).offset);
}

Timestamp TimeZone::from_local(std::int64_t local_ms) const {
  if (zone_ == nullptr) return Timestamp{local_ms - offset_ms_};
  const auto info = zone_->get_info(date::local_time<milliseconds>(milliseconds(local_ms)));
  return Timestamp{local_ms - in_ms(info.first.offset)};
}

}  // namespace penstock::scripting
