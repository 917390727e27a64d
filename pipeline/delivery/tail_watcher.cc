#include "pipeline/delivery/tail_watcher.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "pipeline/base/thread_pool.h"

namespace penstock::delivery {
namespace {

// What an event waits here at most, while events come and when it is the first after a silence.
constexpr std::chrono::milliseconds kShortest{5};
constexpr std::chrono::milliseconds kLongest{50};

}  // namespace

TailWatcher::TailWatcher(const Log& log, LogName name, std::function<void()> grown)
    : thread_([&log, name, grown = std::move(grown)](const std::stop_token& stop) { watch(stop, log, name, grown); }) {}

void TailWatcher::watch(const std::stop_token& stop, const Log& log, LogName name, const std::function<void()>& grown) {
  name_this_thread("tail-watcher");
  std::mutex mutex;
  std::condition_variable_any stopped;
  Offsets seen;  // none: what came before the first look is told too
  auto pause = kShortest;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex);
      stopped.wait_for(lock, stop, pause, [] { return false; });
    }
    if (auto end = log.end(name); end != seen) {
      seen = std::move(end);
      pause = kShortest;
      grown();
    } else {
      pause = std::min(pause * 5 / 4, kLongest);
    }
  }
}

}  // namespace penstock::delivery
