#pragma once
// State in memory: for cases of apps, and for tests. Changes show at once.

#include <functional>
#include <map>
#include <span>

#include "pipeline/ports/state_view.h"

namespace penstock {

class MemoryState final : public StateView {
 public:
  void apply(const StateChange& change);
  void apply(std::span<const StateChange> changes) {
    for (const StateChange& change : changes) apply(change);
  }

  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override;

 private:
  std::map<std::string, std::map<std::string, StateValue, std::less<>>, std::less<>> tables_;
};

}  // namespace penstock
