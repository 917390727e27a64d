#pragma once
// Where a piece of the pipeline runs its steps. A Strand runs its tasks one after another, in the order they were posted,
// never two at once; so what lives on one strand needs no lock. Tests use the manual executor of tests/fakes.

#include <functional>
#include <memory>

#include "pipeline/base/clock.h"

namespace penstock {

using Task = std::move_only_function<void()>;

// Thread-safe. A task posted after its executor stopped is destroyed unrun.
class Strand {
 public:
  virtual ~Strand() = default;
  virtual void post(Task task) = 0;
  // Runs at `when` or a little later. Not cancellable: a task that may be stale checks that itself.
  virtual void post_at(SteadyTime when, Task task) = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::unique_ptr<Strand> make_strand() = 0;
};

}  // namespace penstock
