#pragma once
// Whether anything may come in. Closed while what came in could not be kept: the disk is nearly full, or a destination that
// holds retention is too far behind. Pushed sources are told to come again, polled ones are not read. Thread-safe.

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

namespace penstock::ingest {

class Gate {
 public:
  // `reason` is a sentence that says what to do.
  void close(std::string reason) {
    const std::lock_guard lock(mutex_);
    reason_ = std::move(reason);
    closed_ = true;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    reason_.reset();
  }

  bool is_closed() const { return closed_.load(std::memory_order_acquire); }
  std::optional<std::string> reason() const {  // none: it is open
    if (!is_closed()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  std::atomic<bool> closed_ = false;
  mutable std::mutex mutex_;
  std::optional<std::string> reason_;  // guarded by mutex_
};

}  // namespace penstock::ingest
