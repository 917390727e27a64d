#pragma once
// Brings events from the log to one destination: reads from the destination's own cursor, filters, lets the destination's apps
// have them, batches, writes with a window of writes in flight, acts on each answer, and moves the cursor over what is settled:
// delivered, filtered out, dropped by an app, or durable among its dead letters. Whatever happens to the destination costs others
// nothing and holds a bounded number of batches in memory: `in_flight_max` ready ones, up to eight more that were tried in vain, and
// `in_flight_max` in flight. Events that wait for another try are set aside, with a copy of their own (set_aside.h): 10,000 or
// 4 MiB of them, beyond which a few events are read now and then. When the memory for chunks on their way is used up, one that holds its share or
// more reads on only with nothing open.
//
// Answers. *delivered*: settled. *rejected*: the batch is halved until the guilty event is alone, then it is a dead letter.
// *retry*: again after a pause; attempts and age count, then as rejected. *unavailable*: nothing counts; no further write
// until nothing is in flight, a pause is over and connect() has succeeded, then one write alone, and the flow when that was
// answered in any other way. Such probes are by turns the batch that has waited longest and another one, each of the others in
// its turn, so that a few poisonous events do not look like an outage: what fails while others are delivered, in the same answer or
// between two failures, is set aside and stops nobody, and from the third time on it is at fault itself (suspicion.h). A peer's Retry-After is kept, up to an hour. When more than a share is rejected the destination is
// *suspended* (rejections.h).
//
// Apps. What they make of an event is delivered like events; the cursor passes the event when all of it is settled. A dead
// letter, of an app's failure or of something that the receiver rejects, always holds the event as it stands in the log, so that
// it meets the apps again when it is sent again; all that died of one event is one letter, and what of it was delivered comes
// twice then. While an app that keeps failing holds (`suspend:` of its entry), nothing is read and the destination is suspended.
//
// Order. Batches are submitted in the order of the log, and what was held during an outage goes before what is newer. With
// `in_flight_max` above 1 a destination that works on several writes at once may see them in another order, and an event that
// waits for another try is overtaken by later ones. `in_flight_max: 1` keeps the order of everything but what failed.
//
// `order: key` keeps the order of each distinct id, that of the event in the log: one write at a time for each lane, and what waits for another try holds its
// lane. Within one batch that is answered event by event, a later event of the same id may still be delivered first.
//
// Twice. After a crash, what was settled since the cursor was last saved (a second) is delivered, or dead, again.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/base/executor.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/delivery/delivery_metrics.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/delivery/destination_status.h"
#include "pipeline/delivery/preparation.h"
#include "pipeline/delivery/replay.h"
#include "pipeline/delivery/settings.h"
#include "pipeline/ports/destination.h"

namespace penstock::delivery {

struct DestinationParts {
  std::string name;
  DestinationSettings settings;
  std::unique_ptr<Destination> destination;
  Preparing preparing;  // what fails there is that event's dead letter here
  DeliveryMetrics metrics;
  std::uint64_t seed = 0;  // of the jitter
  bool started_before = false;  // then it had a cursor, and it is a loss when there is none
  std::optional<std::string> paused{};  // it starts paused, with this note
  std::optional<RateSettings> rate{};  // instead of the settings'
  std::optional<ReplayOrder> replay{};  // it goes on with this one
  When replay_where{};  // and its condition
};

// What a runner uses of the process; all of it outlives the runner and its tasks. `blocking` is for connect() and close(): a thread of
// it may be held for as long as a destination holds it. So what is written to the store has threads of its own, `storing`: cursors
// and dead letters of those that are well wait for no other. Start, and reads of dead letters on the runner's strand, call the store
// themselves.
struct Surroundings {
  Log& log;
  DeliveryStore& store;
  const Clock& clock;
  Executor& executor;
  Executor& blocking;
  Executor& storing;
  MemoryBudget* memory = nullptr;  // of decoded chunks; null: no limit
};

class DestinationLoop;

// Thread-safe. Destroy it only after `stopped` was called or all executors have stopped.
class DestinationRunner {
 public:
  // Where it starts: at its cursor; a new destination at the beginning of an empty log, else where `from` says. That
  // first cursor is durable when this returns.
  static Result<std::unique_ptr<DestinationRunner>> start(DestinationParts parts, const Surroundings& around);
  ~DestinationRunner();

  // There may be new events in the log. Without it a runner that has come to the end reads nothing more.
  void wake();
  // No more events will come: a batch waits for no others once the end of the log is reached.
  void hurry();
  // Whether everything before `end` is settled, no replay is under way, and no dead letter is to be sent again that can be read.
  bool settled(const Offsets& end) const;
  DestinationStatus status() const;

  // Nothing new is read or written; what is in flight finishes. `note` says why, in status. Again: the note is replaced.
  void pause(std::string note);
  // Ends a pause, and a suspension: its own at once, and that of its apps by trying them again. One that is unavailable is tried at
  // once, whatever it asked for.
  void resume();
  // Letters were marked with DeliveryStore::want_again: they go through the retry lane now.
  void send_again();
  // Letters of it were discarded: what waited behind them goes.
  void letters_discarded();
  // Sends a stretch of the log again; the order is in the store already. One that runs is replaced.
  void replay(ReplayOrder order, When where);
  // Ends it; its order leaves the store.
  void end_replay();
  // From now on, instead of the settings'; nullopt: as the settings say.
  void set_rate(std::optional<RateSettings> rate);

  // Takes no new events, waits for writes in flight, closes the destination, saves the cursor, and calls `stopped` on the
  // strand: when all that is done, or after `within` if the destination does not come to an end. Call it once.
  void stop(Duration within, std::move_only_function<void()> stopped);

 private:
  explicit DestinationRunner(std::shared_ptr<DestinationLoop> loop);
  std::shared_ptr<DestinationLoop> loop_;
};

}  // namespace penstock::delivery
