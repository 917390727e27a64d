#pragma once
// All strands on the test's own thread, in a fixed order: a run is a function of its inputs.

#include <deque>
#include <limits>
#include <map>

#include "pipeline/base/executor.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::fakes {

class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(ManualClock& clock) : clock_(clock) {}

  std::unique_ptr<Strand> make_strand() override { return std::make_unique<ManualStrand>(*this); }

  // Runs until nothing is ready at the clock's present time. Returns how many tasks ran.
  std::size_t run_ready() { return run_at_most(std::numeric_limits<std::size_t>::max()); }
  // The same, but gives up after so many.
  std::size_t run_at_most(std::size_t most) {
    std::size_t ran = 0;
    while (ran < most) {
      while (!timers_.empty() && timers_.begin()->first <= clock_.steady()) {
        ready_.push_back(std::move(timers_.begin()->second));
        timers_.erase(timers_.begin());
      }
      if (ready_.empty()) return ran;
      Task task = std::move(ready_.front());
      ready_.pop_front();
      task();
      ++ran;
    }
    return ran;
  }

  // Moves the clock from timer to timer up to `by`, running what becomes ready on the way.
  void advance(Duration by) {
    const auto end = clock_.steady() + by;
    run_ready();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      step_to(timers_.begin()->first);
      run_ready();
    }
    step_to(end);
    run_ready();
  }

 private:
  class ManualStrand final : public Strand {
   public:
    explicit ManualStrand(ManualExecutor& executor) : executor_(executor) {}
    void post(Task task) override { executor_.ready_.push_back(std::move(task)); }
    void post_at(SteadyTime when, Task task) override { executor_.timers_.emplace(when, std::move(task)); }

   private:
    ManualExecutor& executor_;
  };

  void step_to(SteadyTime when) {
    const auto by = std::chrono::ceil<Duration>(when - clock_.steady());
    if (by.count() > 0) clock_.advance(by);
  }

  ManualClock& clock_;
  std::deque<Task> ready_;
  std::multimap<SteadyTime, Task> timers_;
};

}  // namespace penstock::fakes
