#pragma once
// All of ingest that this process does: the whole input, or in a group the shards that it has at the moment, which come and go.
//
// A shard that comes gets a thread `shard-N`: it takes the shard over, restores its state, lets it run, and when it has to go has it
// commit what it has in hand. Those that stay are not touched.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "pipeline/topology/builder.h"

namespace penstock::topology {

class Ingest {
 public:
  // In a group: called with the shards that are held from now on, on one thread; before others get what is missing, unless they were
  // lost: then others may have had them for long.
  using Changed = std::function<void(const std::set<int>& held, bool lost)>;
  // `parts` outlives it.
  Ingest(Parts& parts, Changed changed) : parts_(parts), held_changed_(std::move(changed)), chain_(parts.plan.chain) {}
  // As stop, without time to drain.
  ~Ingest() { stop(Duration(0)); }

  // Without a group everything runs when it returns; in one, shards come later.
  Result<void> start();
  // What was accepted or read until now is finished, as far as that time allows; the rest is read again. In a group the others take
  // over what was here. May be called again.
  void stop(Duration drain);

  // As many chains as Parts builds. One thread at a time.
  void set_chains(const std::shared_ptr<const scripting::ChainPlan>& chain, std::vector<std::unique_ptr<Transform>> chains);

  // All that follows: any thread, at any time. As Workers says it of one; here of all shards that are here.
  std::size_t size() const;
  std::uint64_t chain_version() const;
  ingest::IngestSums counts() const;
  Duration busy() const;
  // In a group everything: there the log itself knows how far each shard is, wherever it is.
  std::uint64_t captured_committed() const;
  std::vector<ingest::InputLag> lag() const;
  bool idle() const;
  bool caught_up() const;
  std::optional<Error> failure() const;
  // In a group.
  std::optional<GroupStatus> group() const;

 private:
  // One shard from when it comes until it has gone.
  struct Kept {
    penstock::kafka::Holding holding;
    std::shared_ptr<Kept> before;  // the same shard, if it is still going
    // Guarded by mutex_.
    BuiltShard shard;  // without workers while it is restored, and at the end
    bool going = false;  // it may not commit any more, which is no failure
    bool let_go = false;
    Duration restored_in{0};
    std::jthread thread;
  };
  using Workers = ingest::Workers;

  void gained(const std::vector<penstock::kafka::Holding>& shards);
  void losing(const std::vector<int>& shards, bool lost);
  void keep(Kept& kept, const std::stop_token& stop);
  bool bring_up(Kept& kept, const std::stop_token& stop);
  void take_down(Kept& kept);
  bool resting() const;
  void drain();
  // Calls with the workers of each shard that runs, under the lock.
  void for_each(const std::function<void(const Workers&)>& with) const;

  Parts& parts_;
  const Changed held_changed_;
  std::set<int> held_;  // the group's thread
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // with mutex_
  // Guarded by mutex_.
  std::shared_ptr<const scripting::ChainPlan> chain_;
  BuiltShard whole_;
  std::map<int, std::shared_ptr<Kept>> kept_;
  ingest::IngestSums gone_;  // what shards did that are elsewhere now
  std::optional<Error> failure_;
};

}  // namespace penstock::topology
