#include "pipeline/base/memory_budget.h"

#include <utility>

namespace penstock {

void MemoryBudget::release(std::size_t bytes) {
  const std::size_t before = used_.fetch_sub(bytes);
  if (before < max_ || before - bytes >= max_) return;
  std::vector<std::move_only_function<void()>> calls;
  {
    const std::scoped_lock lock(mutex_);
    calls.swap(waiting_);
  }
  for (auto& call : calls) call();
}

// Looked at under the lock: a release in between either is seen here or finds the call among the waiting.
void MemoryBudget::when_room(std::move_only_function<void()> call) {
  {
    const std::scoped_lock lock(mutex_);
    if (full()) return waiting_.push_back(std::move(call));
  }
  call();
}

}  // namespace penstock
