#pragma once
// One run: clients send, the process works, disk and receivers fail, the process is killed and starts again, all by chance from
// one seed; then everything is healed, time runs on until everything is settled, and the promises are checked (oracle.h).
//
// Workers take their steps by turns, and none where it would wait for its commit, for nobody else is there to write.
//
// Not in it: apps that split an event for one destination, or are suspended, `key: repartition`, backups, changes of the
// configuration but for the number of workers, a disk that loses what was synced, and anything that two threads do to each other.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "tests/simulation/ledger.h"
#include "tests/simulation/process.h"
#include "tests/simulation/world.h"

namespace penstock::simulation {

// A fault that somebody might make, to see that it is found. cursor_too_far: after a kill a cursor has passed one event more.
enum class Planted { nothing, cursor_too_far };

class Simulation {
 public:
  // The store must have nothing of the destinations in it, see forget_destinations.
  Simulation(std::uint64_t seed, delivery::DeliveryStore& store, Traced traced, Planted planted = Planted::nothing);

  // What was found wrong, a sentence each.
  std::vector<std::string> run();
  const Trace& trace() const { return trace_; }

 private:
  // What delivery's store holds on the medium whatever happens: writes without sync that came later may go with the power.
  struct OnMedium {
    std::optional<delivery::Cursor> cursor;
    std::optional<delivery::ReplayOrder> replay;
  };

  void plan_requests();
  Request draw_request(std::size_t client);
  SentEvent draw_event(const std::string& distinct_id);
  void grow_feed();
  Fates draw_fates(Kind kind);
  AppDoes draw_app(Fate fate);

  void act();
  void act_on_ingest();
  void make_trouble();
  void trouble_disk();
  void trouble_receiver();
  void steer();
  void order_replay(std::size_t destination);
  void cancel_replay(std::size_t destination);
  void change_rate(std::size_t destination);
  void discard_letters(std::size_t destination);
  void look_after_logs();
  Offsets needed_by_clients() const;
  void note_overtaken(const Offsets& cursor, const Offsets& begin, std::size_t destination);
  void check_bounds();

  void start();
  void kill();
  void lose_unsynced_writes();
  void push_cursors();
  void note_medium();

  void heal();
  bool run_until_quiet();
  void settle();
  bool settled();
  void check_end();

  World world_;
  Chance& chance_;
  Trace& trace_;
  std::unique_ptr<Process> process_;
  Ledger ledger_;
  std::vector<OrderedReplay> replays_;
  // By destination: events of which nobody can say any more that they must have come to it. A letter of it was discarded, or retention
  // has overtaken it there.
  std::vector<std::set<Uuid>> excused_;
  const Planted planted_;
  std::vector<OnMedium> on_medium_;
  std::map<std::string, int> sequences_;  // of each distinct id, so far
  std::vector<int> poisons_;  // by destination, events so far
  std::vector<std::size_t> doomed_;  // by destination, events that may be open at the receiver when the process has let go
  std::uint64_t events_made_ = 0;
  int kills_left_ = 0;
  bool restarted_ = false;  // the process, or a destination
};

// Takes cursors, replays and dead letters of all destinations that a simulation can have out of the store.
void forget_destinations(delivery::DeliveryStore& store);

}  // namespace penstock::simulation
