#include "pipeline/ingest/remember_uuids.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/event/timestamps.h"

namespace penstock::ingest {
namespace {

constexpr int kGapsMax = 100;  // what is behind so many is not looked for
constexpr std::chrono::milliseconds kLookAtStop{50};

// What was lost of the log, not what is out of reach for now.
bool is_damage(const Error& error) {
  return error.kind == ErrorKind::corrupt || error.kind == ErrorKind::io || error.kind == ErrorKind::not_found;
}

class Remembering {
 public:
  // What is before `from` is remembered already.
  Remembering(SeenUuids& seen, Log& log, Timestamp now, std::stop_token stop, Offsets from = {})
      : seen_(seen), log_(log), now_(now), stop_(std::move(stop)), from_(std::move(from)),
        since_{std::max<std::int64_t>(0, now.ms - seen.settings().window.count())}, read_to_(since_) {}

  Result<void> run() {
    auto done = claim_newest();
    // Where that begins may lie behind damage, and be found from its front only.
    if (!done && is_damage(done.error()) && read_to_ == since_) done = claim_since(since_);
    for (int gaps = 0; !done && is_damage(done.error()); ++gaps) {
      const auto behind = gaps < kGapsMax ? readable_after(read_to_) : std::nullopt;
      tell(done.error(), behind.value_or(now_));
      if (!behind) return {};
      done = claim_since(*behind);
      // Damage behind damage: never the same place again, whatever the clock did meanwhile.
      read_to_ = std::max(read_to_, *behind);
    }
    return done;
  }
  // Up to where, once that was done.
  const Offsets& reached() const { return reached_; }

 private:
  Result<void> claim_newest() {
    TRY_ASSIGN(Offsets start, log_.offsets_at(LogName::events, since_));
    const Offsets end = log_.end(LogName::events);
    const std::uint64_t uuids_max = seen_.settings().uuids_max;
    std::uint64_t events = 0;
    for (std::size_t p = 0; p < end.size(); ++p) events += end[p] - start[p];
    for (std::size_t p = 0; p < end.size() && events > uuids_max; ++p)
      start[p] = end[p] - (end[p] - start[p]) * uuids_max / events;
    return claim_from(std::move(start));
  }

  Result<void> claim_since(Timestamp time) {
    TRY_ASSIGN(Offsets start, log_.offsets_at(LogName::events, time));
    return claim_from(std::move(start));
  }

  Result<void> claim_from(Offsets start) {
    const Offsets end = log_.end(LogName::events);
    for (std::size_t p = 0; p < from_.size(); ++p) start[p] = std::max(start[p], from_[p]);
    reached_ = start;
    TRY_ASSIGN(const auto reader, log_.read(LogName::events, start));
    for (;;) {
      if (stop_.stop_requested()) return fail(ErrorKind::stopped, "stopped while uuids were read");
      TRY_ASSIGN(const auto record, reader->next());
      if (!record) return {};
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i) seen_.claim(chunk->facts(i).uuid, record->appended_at);
      read_to_ = std::max(read_to_, record->appended_at);
      // Others may write meanwhile, and faster than this reads.
      for (std::size_t p = 0; p < start.size() && p < record->next.size(); ++p)
        reached_[p] = std::max(reached_[p], record->next[p]);
      if (std::ranges::equal(reached_, end, std::ranges::greater_equal())) return {};
    }
  }

  // The earliest time after that one from which on the log can be read. Found by halves, for behind damage only an index leads on.
  std::optional<Timestamp> readable_after(Timestamp damaged) {
    Timestamp readable{std::max(now_.ms, damaged.ms + 1)};
    if (!is_readable_from(readable)) return std::nullopt;
    while (readable.ms - damaged.ms > 1) {
      const Timestamp middle{damaged.ms + (readable.ms - damaged.ms) / 2};
      (is_readable_from(middle) ? readable : damaged) = middle;
    }
    return readable;
  }

  bool is_readable_from(Timestamp time) {
    const auto start = log_.offsets_at(LogName::events, time);
    if (!start) return false;
    const auto reader = log_.read(LogName::events, *start);
    return reader && (*reader)->next();
  }

  void tell(const Error& damage, Timestamp until) {
    seen_.missing_before(until);
    log_warning(
        "ingest",
        "events that were appended from {} to {} cannot be read, so not all of their uuids are remembered: what a client "
        "sends again of them within the time of de-duplication is stored twice. Nothing else is lost by going on. The "
        "damage: {}",
        format_timestamp(read_to_), format_timestamp(until), damage.message);
  }

  SeenUuids& seen_;
  Log& log_;
  const Timestamp now_;
  const std::stop_token stop_;
  const Offsets from_;
  Offsets reached_;
  const Timestamp since_;
  Timestamp read_to_;  // when the newest was appended that was read
};

}  // namespace

Result<void> remember_uuids(SeenUuids& seen, Log& log, const Clock& clock, const std::stop_token& stop) {
  if (!seen.enabled()) return {};
  return Remembering(seen, log, clock.now(), stop).run();
}

Result<void> UuidsOfLog::catch_up(Log& log, const Clock& clock, const std::stop_token& stop) {
  if (!seen_.enabled()) return {};
  std::unique_lock reading(reading_, std::defer_lock);
  while (!reading.try_lock_for(kLookAtStop))
    if (stop.stop_requested()) return fail(ErrorKind::stopped, "stopped while uuids were read");
  Remembering rest(seen_, log, clock.now(), stop, read_to_);
  TRY(rest.run());
  read_to_ = rest.reached();
  return {};
}

}  // namespace penstock::ingest
