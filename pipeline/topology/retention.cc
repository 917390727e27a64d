#include "pipeline/topology/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"

namespace penstock::topology {
namespace {

// On a small disk a gigabyte would be half of it.
constexpr std::uint64_t kSmallestPart = 20;
// Files are removed whole, and ingest takes room for what it has of one before it can go.
constexpr std::uint64_t kSegmentsFree = 4;
constexpr Duration kBetweenLooks{1'000};

// How much of a log is kept.
struct Keep {
  Duration age;
  Bytes bytes;
};

Keep keep_of(const RetentionSettings& settings, LogName log) {
  if (log == LogName::captured) return {settings.captured.age, settings.captured.bytes};
  return {settings.events.age, settings.events.bytes};
}

}  // namespace

Retention::Retention(const LogSettings& settings, std::string folder, Log& log, Disk& disk, const Clock& clock,
                     RetentionNeeds needs, ingest::Gate& gate, telemetry::Metrics& metrics)
    : log_settings_(settings), folder_(std::move(folder)), log_(log), disk_(disk), clock_(clock), needs_(std::move(needs)),
      gate_(gate), disk_free_(metrics.gauge("penstock_disk_free_bytes", "Free bytes of the disk that holds the data.")) {
  pressure_.segment = settings.segment.count;  // until the first look
  for (const LogName name : {LogName::captured, LogName::events}) {
    const telemetry::Labels labels{{"log", std::string(to_string(name))}};
    const auto at = static_cast<std::size_t>(name);
    trimmed_bytes_[at] =
        metrics.counter("penstock_log_trimmed_bytes_total", "Bytes that retention removed from a log.", labels);
    trimmed_events_[at] =
        metrics.counter("penstock_log_trimmed_events_total", "Events that retention removed from a log.", labels);
  }
}

void Retention::look() {
  tell(needs_.checkpoint_if_due());
  for (const LogName log : {LogName::captured, LogName::events}) {
    const Keep keep = keep_of(settings_, log);
    const Timestamp now = clock_.now();
    trim(log, keep.bytes.count, Timestamp{std::max<std::int64_t>(0, now.ms - keep.age.count())});
  }
  auto found = pressure();
  if (found && found->missing > 0) {
    relieve(*found);
    found = pressure();
  }
  // A disk that does not say what is free is as it was, and has less room by what was written since.
  if (found) pressure_ = *found;
  else tell(fail(found.error()));
  set_gate(pressure_);
  if (found) allow(pressure_);
  tell_refusal();
  told_ = std::exchange(failed_, {});
}

// Without `free_min` a disk may be full before sources are told to wait, and then only those who wrote know.
void Retention::tell_refusal() {
  const auto refused = log_.refusal();
  if (refused.has_value() == refused_) return;
  refused_ = refused.has_value();
  if (refused) log_error("log", "{}; sources wait", refused->message);
  else log_info("log", "it can be written again");
}

void Retention::run(const std::stop_token& stop) {
  name_this_thread("retention");
  std::mutex waiting;
  std::condition_variable_any stopping;
  while (!stop.stop_requested()) {
    std::unique_lock lock(waiting);
    stopping.wait_for(lock, stop, kBetweenLooks, [] { return false; });
    if (!stop.stop_requested()) look();
  }
}

TrimLimits Retention::limits_of(LogName log) const {
  TrimLimits limits;
  if (log == LogName::captured) {
    limits.before_sequence = needs_.captured_committed();
    return limits;
  }
  limits.before_sequence = needs_.state_checkpointed();
  for (const Holder& holder : needs_.holders()) {
    limits.keep_from.resize(std::max(limits.keep_from.size(), holder.settled.size()), ~std::uint64_t{0});
    for (std::size_t p = 0; p < holder.settled.size(); ++p)
      limits.keep_from[p] = std::min(limits.keep_from[p], holder.settled[p]);
  }
  return limits;
}

void Retention::tell(const Result<void>& done) {
  if (done) return;
  const std::string& message = done.error().message;
  if (!told_.contains(message) && !failed_.contains(message)) log_error("retention", "{}", message);
  failed_.insert(message);
}

Trimmed Retention::trim(LogName log, std::uint64_t bytes_max, Timestamp older_than) {
  Trimmed trimmed = trim_once(log, bytes_max, older_than);
  if (log == LogName::events && trimmed.kept_by_sequence && needs_.state_checkpointed() < log_.next_sequence(log)) {
    tell(needs_.checkpoint_now());
    const Trimmed more = trim_once(log, bytes_max, older_than);
    trimmed.bytes += more.bytes;
    trimmed.events += more.events;
  }
  return trimmed;
}

Trimmed Retention::trim_once(LogName log, std::uint64_t bytes_max, Timestamp older_than) {
  TrimLimits limits = limits_of(log);
  limits.bytes_max = bytes_max;
  limits.older_than = older_than;
  const auto trimmed = log_.trim(log, limits);
  if (!trimmed) {
    tell(fail(trimmed.error()));
    return {};
  }
  if (trimmed->bytes > 0) {
    log_info("retention", "removed {} events in {} bytes from the old end of {}", trimmed->events, trimmed->bytes,
             to_string(log));
  }
  trimmed_bytes_[static_cast<std::size_t>(log)].add(trimmed->bytes);
  trimmed_events_[static_cast<std::size_t>(log)].add(trimmed->events);
  return *trimmed;
}

Result<Retention::Pressure> Retention::pressure() {
  TRY_ASSIGN(const auto space, disk_.space(folder_));
  disk_free_.set(static_cast<double>(space.free));
  std::uint64_t wanted = std::min(settings_.free_min.count, space.total / kSmallestPart);
  const std::uint64_t segment = log_settings_.segment_on(space.total);
  if (wanted == 0) return Pressure{.missing = 0, .full = false, .free = space.free, .wanted = 0, .segment = segment};
  wanted = std::max(wanted, std::min(kSegmentsFree * segment, space.total / 8));
  // So that it does not open and close with every event.
  const std::uint64_t until = wanted + (closed_ ? wanted / 10 : 0);
  const std::uint64_t at_ease = until + 2 * segment;
  return Pressure{.missing = at_ease > space.free ? at_ease - space.free : 0,
                  .full = space.free < until + segment / 2,
                  .free = space.free,
                  .wanted = wanted,
                  .segment = segment};
}

void Retention::allow(const Pressure& pressure) {
  if (pressure.wanted == 0) return gate_.allow(ingest::Gate::kNoBound, ingest::Gate::kNoBound);
  const auto free = static_cast<std::int64_t>(pressure.free);
  const auto wanted = static_cast<std::int64_t>(pressure.wanted);
  gate_.allow(free - wanted, free - wanted / 2);
}

// As hard as is allowed: first what nobody needs any more, then the oldest events.
void Retention::relieve(const Pressure& pressure) {
  std::uint64_t missing = pressure.missing;
  missing -= std::min(missing, trim(LogName::captured, 0, {}).bytes);
  if (missing == 0) return;
  const std::uint64_t bytes = log_.bytes(LogName::events);
  const auto removed = trim(LogName::events, bytes - std::min(bytes, missing), {});
  if (removed.events > 0) {
    log_warning("retention",
                "the disk of {} is nearly full ({} bytes free): the oldest {} events were removed before their time",
                folder_, pressure.free, removed.events);
  }
}

std::string Retention::who_holds() const {
  std::string names;
  const Offsets end = log_.end(LogName::events);
  for (const Holder& holder : needs_.holders()) {
    if (holder.settled != end) names += (names.empty() ? "" : ", ") + holder.name;
  }
  return names;
}

void Retention::set_gate(const Pressure& pressure) {
  std::string reason;
  if (pressure.full) {
    const std::string holders = who_holds();
    reason = fmt::format("the disk of {} is nearly full: {} bytes free of {} wanted; make room{}", folder_, pressure.free,
                         pressure.wanted,
                         holders.empty() ? "" : fmt::format(", or mend {}: `hold: true` keeps events for it", holders));
  } else if (log_.bytes(LogName::events) > settings_.events.bytes.count + 2 * pressure.segment) {
    // Retention cannot do what it should: a segment is removed whole or not at all.
    if (const std::string holders = who_holds(); !holders.empty())
      reason = fmt::format("events may take {} bytes, and {} with `hold: true` has not got them yet",
                           settings_.events.bytes.count, holders);
  }
  const bool was_closed = std::exchange(closed_, !reason.empty());
  if (!closed_) {
    if (was_closed) log_info("retention", "sources may go on");
    gate_.open();
    return;
  }
  if (!was_closed) log_error("retention", "{}; sources wait", reason);
  gate_.close(std::move(reason));
}

}  // namespace penstock::topology
