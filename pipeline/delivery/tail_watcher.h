#pragma once
// Tells when a log has grown: one thread for all who read at its end, instead of one waiting reader each. It looks every
// 5 ms while events come, and down to every 50 ms when they do not; a look is one call of Log::end.

#include <functional>
#include <stop_token>
#include <thread>

#include "pipeline/ports/log.h"

namespace penstock::delivery {

class TailWatcher {
 public:
  // `grown` is called on the watcher's thread after the log's end has moved, and must not block; growth between two looks is
  // one call. The log must outlive it.
  TailWatcher(const Log& log, LogName name, std::function<void()> grown);
  // Returns after the last call of `grown`.
  ~TailWatcher() = default;

 private:
  static void watch(const std::stop_token& stop, const Log& log, LogName name, const std::function<void()>& grown);

  std::jthread thread_;
};

}  // namespace penstock::delivery
