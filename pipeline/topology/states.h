#pragma once
// The derived states that there are: one, or in a group that of each shard which is here now. Any thread; whoever has got one keeps it
// open, though its shard may have gone meanwhile.

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "pipeline/state/derived_state.h"

namespace penstock::topology {

class States {
 public:
  using All = std::vector<std::shared_ptr<DerivedState>>;  // by shard

  void put(int shard, std::shared_ptr<DerivedState> state) {
    const std::lock_guard lock(mutex_);
    states_[shard] = std::move(state);
  }
  void take_out(int shard) {
    const std::lock_guard lock(mutex_);
    states_.erase(shard);
  }
  std::map<int, std::shared_ptr<DerivedState>> by_shard() const {
    const std::lock_guard lock(mutex_);
    return states_;
  }
  All all() const {
    const std::lock_guard lock(mutex_);
    All all;
    for (const auto& [shard, state] : states_) all.push_back(state);
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<int, std::shared_ptr<DerivedState>> states_;  // guarded by mutex_
};

}  // namespace penstock::topology
