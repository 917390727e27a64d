#pragma once
// The other end of a destination: answers late, in any order, in part, wrongly or not at all, is down for a while, and keeps
// what it took over every crash of the process. It also watches that whoever writes keeps the port's contract.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/ports/destination.h"
#include "tests/simulation/chance.h"
#include "tests/simulation/trace.h"

namespace penstock::simulation {

struct ReceiverHabits {
  std::string name;
  int in_flight_max = 1;  // it is an error when there are more
  bool rejection_blocks = false;  // `in_order`, and a rejection is a failure
  bool in_order = false;  // in a write answered event by event, what comes after a failure of the same distinct id fails too
  int troubles_max = 0;  // outages and nonsensical answers in its life: fewer than an innocent event can die of
  int busy_answers = 1;  // to an event whose fate is `busy`
};

class Receiver {
 public:
  struct Taken {
    Uuid uuid;
    bool replayed = false;
  };

  Receiver(ReceiverHabits habits, Chance& chance, Trace& trace)
      : habits_(std::move(habits)), chance_(chance), trace_(trace), troubles_left_(habits_.troubles_max) {}

  // A new connection of a new process, or of a destination that was started again.
  std::unique_ptr<Destination> make();
  // The process died: what is unanswered stays so.
  void forget();

  // It answers one of the writes that wait. False: none does, or it is frozen.
  bool answer_one();
  void begin_outage();
  void end_outage();
  // Frozen, it answers nothing, unless it is closed.
  void freeze() { frozen_ = true; }
  void thaw() { frozen_ = false; }
  void heal();

  const std::string& name() const { return habits_.name; }
  bool down() const { return down_; }
  const std::vector<Taken>& taken() const { return taken_; }  // in the order it took them
  // Events that it was given and has not taken or refused for good: what the process holds in memory for it, at most.
  std::size_t open_events() const { return open_.size(); }
  bool ever_answered(const Uuid& uuid) const { return answered_.contains(uuid); }

 private:
  class Wire;
  struct Waiting {
    Batch batch;
    Completion done;
  };

  Result<void> connect();
  void submit(Batch batch, Completion done);
  void close();
  Outcomes decide(const Batch& batch);
  Outcomes decide_each(const Batch& batch);
  Outcome unavailable();
  Outcome answer_to(const EventView& event);
  void note(const Batch& batch, const Outcomes& outcomes);

  const ReceiverHabits habits_;
  Chance& chance_;
  Trace& trace_;
  int troubles_left_;
  bool connected_ = false;
  bool down_ = false;
  bool frozen_ = false;
  std::vector<Waiting> waiting_;
  std::vector<Taken> taken_;
  std::set<Uuid> open_;
  std::set<Uuid> answered_;
  std::map<Uuid, int> busy_;  // answers given to a busy event
};

}  // namespace penstock::simulation
