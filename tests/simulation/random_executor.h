#pragma once
// All strands on one thread; which of them goes next is left to chance, as it is with a pool of threads. Each strand keeps its
// own order.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/base/executor.h"
#include "tests/simulation/chance.h"

namespace penstock::simulation {

class RandomExecutor final : public Executor {
 public:
  RandomExecutor(const Clock& clock, Chance& chance) : clock_(clock), chance_(chance) {}

  std::unique_ptr<Strand> make_strand() override {
    return std::make_unique<QueuedStrand>(*this, queues_.emplace_back(std::make_shared<Queue>()));
  }

  // One task of a strand that has one. False: nothing is ready at the present time.
  bool run_one() {
    while (!timers_.empty() && timers_.begin()->first <= clock_.steady()) {
      auto [queue, task] = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      queue->push_back(std::move(task));
    }
    std::erase_if(queues_, [](const auto& queue) { return queue->empty() && queue.use_count() == 1; });
    ready_.clear();
    for (const auto& queue : queues_)
      if (!queue->empty()) ready_.push_back(queue.get());
    if (ready_.empty()) return false;
    Queue& queue = *ready_[chance_.below(ready_.size())];
    Task task = std::move(queue.front());
    queue.pop_front();
    task();
    return true;
  }

  std::optional<SteadyTime> next_timer() const {
    return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first);
  }

  // The process dies: what was to be done never is.
  void forget() {
    const auto timers = std::exchange(timers_, {});
    for (const auto& queue : queues_) const auto tasks = std::exchange(*queue, {});
  }

 private:
  using Queue = std::deque<Task>;

  class QueuedStrand final : public Strand {
   public:
    QueuedStrand(RandomExecutor& executor, std::shared_ptr<Queue> queue) : executor_(executor), queue_(std::move(queue)) {}
    void post(Task task) override { queue_->push_back(std::move(task)); }
    void post_at(SteadyTime when, Task task) override {
      executor_.timers_.emplace(when, std::pair(queue_, std::move(task)));
    }

   private:
    RandomExecutor& executor_;
    const std::shared_ptr<Queue> queue_;
  };

  const Clock& clock_;
  Chance& chance_;
  std::vector<std::shared_ptr<Queue>> queues_;
  std::vector<Queue*> ready_;
  std::multimap<SteadyTime, std::pair<std::shared_ptr<Queue>, Task>> timers_;
};

}  // namespace penstock::simulation
