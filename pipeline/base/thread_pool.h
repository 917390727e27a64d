#pragma once
// The executor of the real process: a few named threads that share the strands made from it.

#include <memory>
#include <string>

#include "pipeline/base/executor.h"

namespace penstock {

class ThreadPool final : public Executor {
 public:
  // Starts `threads` threads named "<name>-<n>" (15 characters are kept by the kernel).
  ThreadPool(const std::string& name, int threads);
  // Finishes the running tasks, drops the waiting ones, joins. Strands must not be used afterwards.
  ~ThreadPool() override;

  std::unique_ptr<Strand> make_strand() override;
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Names the calling thread, for `top -H` and for the metrics of its kind.
void name_this_thread(const std::string& name);

}  // namespace penstock
