#include "pipeline/kafka/pause.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace penstock::kafka {

bool pause(Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, std::chrono::milliseconds(time.count()), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace penstock::kafka
