#pragma once
// What a kind of memory may come to in all, whoever holds it. It is counted after it was taken, so the limit is one that its
// users look at before they take more, and may be passed by what one of them takes at a time. Thread-safe; outlives its users.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace penstock {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t max) : MemoryBudget(max, max) {}
  // Of it `shared` is divided among users; the rest is for what belongs to nobody.
  MemoryBudget(std::size_t max, std::size_t shared) : max_(max), shared_(shared) {}

  std::size_t max() const { return max_; }
  std::size_t used() const { return used_; }
  bool full() const { return used_ >= max_; }

  void add(std::size_t bytes) { used_ += bytes; }
  void release(std::size_t bytes);

  // Calls it once when there is room, perhaps at once, on whichever thread makes it. It must not block, nor use the budget.
  void when_room(std::move_only_function<void()> call);

  // How many share it: each may hold its part whatever the others hold.
  void share_among(std::size_t users) { users_ = users; }
  std::size_t share() const { return shared_ / std::max<std::size_t>(1, users_); }

 private:
  const std::size_t max_;
  const std::size_t shared_;
  std::atomic<std::size_t> used_ = 0;
  std::atomic<std::size_t> users_ = 1;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> waiting_;  // guarded by mutex_
};

// A part of what was counted, given back when it ends.
class Counted {
 public:
  Counted() = default;
  explicit Counted(MemoryBudget* budget) : budget_(budget) {}
  ~Counted() {
    if (budget_ != nullptr) budget_->release(bytes_);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  // Thread-safe.
  void add(std::size_t bytes) {
    if (budget_ == nullptr) return;
    bytes_ += bytes;
    budget_->add(bytes);
  }

 private:
  MemoryBudget* budget_ = nullptr;
  std::atomic<std::size_t> bytes_ = 0;
};

}  // namespace penstock
