#include "pipeline/delivery/destination_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"
#include "pipeline/delivery/moment.h"

namespace penstock::delivery {
namespace {

bool empty(const Log& log) {
  return std::ranges::all_of(log.end(LogName::events), [](auto end) { return end == 0; });
}

// A log that is shorter than it was is another log. Waiting for it to grow back would skip its events without a word.
Offsets within_log(const std::string& name, Offsets cursor, const Log& log) {
  const Offsets end = log.end(LogName::events);
  if (const auto missing = events_between(end, cursor); missing > 0) {
    log_warning("delivery",
                "destination {} stands {} events past the end of the log, which has become shorter; it goes on at "
                "the end",
                name, missing);
    for (std::size_t p = 0; p < cursor.size(); ++p) cursor[p] = std::min(cursor[p], end[p]);
  }
  return cursor;
}

void tell_of_lost_cursor(const DestinationParts& parts, const Offsets& start, const Log& log) {
  if (!parts.started_before) return;
  const auto before = events_between(log.begin(LogName::events), start);
  const auto after = events_between(start, log.end(LogName::events));
  log_warning(
      "delivery",
      "destination {} has no cursor any more: delivery's store has lost it, and perhaps dead letters too. It starts by "
      "its `from: {}`: {} events of the log are not sent, and {} are, whether they were delivered before or not. "
      "`penstock replay {} --from TIME` sends the others",
      parts.name, parts.settings.from, before, after, parts.name);
}

Result<Offsets> start_of(const DestinationParts& parts, const Surroundings& around) {
  const auto partitions = static_cast<std::size_t>(around.log.partitions());
  TRY_ASSIGN(auto stored, around.store.cursor(parts.name));
  if (stored && stored->next.size() > partitions) {
    return fail(ErrorKind::conflict,
                fmt::format("its cursor is over {} partitions, but the log has {}", stored->next.size(), partitions));
  }
  Offsets start;
  if (stored) {
    stored->next.resize(partitions, 0);  // of those that were added nothing has been read
    start = within_log(parts.name, stored->next, around.log);
  } else {
    TRY_ASSIGN(Moment from, read_moment(parts.settings.from, around.clock.now()));
    if (empty(around.log)) from = {Moment::Kind::earliest, {}};
    TRY_ASSIGN(start, offsets_of(from, around.log));
    tell_of_lost_cursor(parts, start, around.log);
  }
  // Durable before anything is read: a first start that crashes must not become a later `now`. One that stands where it
  // stood writes nothing, so a full disk does not keep a destination from being restarted.
  if (!stored || stored->next != start) TRY(around.store.save_cursor(parts.name, start, Sync::yes));
  return start;
}

}  // namespace

Result<std::unique_ptr<DestinationRunner>> DestinationRunner::start(DestinationParts parts, const Surroundings& around) {
  auto start = start_of(parts, around);
  if (!start) return fail(std::move(start).error().context("destination " + parts.name));
  auto dead_keys = around.store.dead_keys(parts.name);
  if (!dead_keys) return fail(std::move(dead_keys).error().context("destination " + parts.name));
  auto buried_until = around.store.buried_until(parts.name, start->size());
  if (!buried_until && buried_until.error().kind == ErrorKind::corrupt)
    buried_until = Offsets(start->size(), 0);  // is_buried
  if (!buried_until) return fail(std::move(buried_until).error().context("destination " + parts.name));
  auto loop = std::make_shared<DestinationLoop>(std::move(parts), around, *start, *dead_keys, *std::move(buried_until));
  loop->start();
  return std::unique_ptr<DestinationRunner>(new DestinationRunner(std::move(loop)));
}

DestinationRunner::DestinationRunner(std::shared_ptr<DestinationLoop> loop) : loop_(std::move(loop)) {}
DestinationRunner::~DestinationRunner() = default;

void DestinationRunner::wake() { loop_->wake(); }
void DestinationRunner::hurry() { loop_->hurry(); }
bool DestinationRunner::settled(const Offsets& end) const {
  const DestinationStatus now = loop_->status();
  return events_between(now.cursor, end) == 0 && !now.replay_left && !now.again_outstanding;
}
DestinationStatus DestinationRunner::status() const { return loop_->status(); }
void DestinationRunner::pause(std::string note) { loop_->pause(std::move(note)); }
void DestinationRunner::resume() { loop_->resume(); }
void DestinationRunner::send_again() { loop_->send_again(); }
void DestinationRunner::letters_discarded() { loop_->letters_discarded(); }
void DestinationRunner::replay(ReplayOrder order, When where) { loop_->replay(std::move(order), std::move(where)); }
void DestinationRunner::end_replay() { loop_->end_replay(); }
void DestinationRunner::set_rate(std::optional<RateSettings> rate) { loop_->set_rate(rate); }
void DestinationRunner::stop(Duration within, std::move_only_function<void()> stopped) {
  loop_->stop(within, std::move(stopped));
}

}  // namespace penstock::delivery
