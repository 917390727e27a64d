#pragma once
// The strand that a loop lives on, for tasks that come back to it from timers, completions and other threads, possibly after
// the loop has gone: such a task is then dropped. This, and nothing else, is why a loop is held by a shared_ptr.

#include <memory>
#include <utility>

#include "pipeline/base/executor.h"

namespace penstock::delivery {

using Owner = std::weak_ptr<const void>;

class Home {
 public:
  explicit Home(std::unique_ptr<Strand> strand) : strand_(std::move(strand)) {}

  // Before anything is posted.
  void belong_to(Owner owner) { owner_ = std::move(owner); }
  const Owner& owner() const { return owner_; }

  // From any thread that knows the owner to be alive. `f` runs on the strand, if the owner still lives then.
  template <class F>
  void post(F f) {
    strand_->post(while_owned(std::move(f)));
  }
  template <class F>
  void post_at(SteadyTime when, F f) {
    strand_->post_at(when, while_owned(std::move(f)));
  }

 private:
  template <class F>
  Task while_owned(F f) {
    return [owner = owner_, f = std::move(f)]() mutable {
      if (const auto alive = owner.lock()) f();
    };
  }

  std::unique_ptr<Strand> strand_;
  Owner owner_;
};

}  // namespace penstock::delivery
