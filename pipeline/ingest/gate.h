#pragma once
// Whether anything may come in. Closed while what came in could not be kept: the disk is nearly full, or a destination that
// holds retention is too far behind. Pushed sources are told to come again, polled ones are not read. What is in `captured`
// already goes on into `events`: only then can `captured` be cut. Thread-safe.
//
// Who keeps the gate looks at the disk now and then, and a fast sender fills it in between. So every look also says how much may
// be written until the next one.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace penstock::ingest {

class Gate {
 public:
  static constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

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
  // Until the next call so many bytes may come in from sources, and so many may be written by ingest. None, or less: nothing.
  void allow(std::int64_t to_sources, std::int64_t to_ingest) {
    to_sources_ = to_sources;
    to_ingest_ = to_ingest;
  }
  // So many bytes are about to be written. What goes on the disk smaller is counted whole.
  void spend(std::uint64_t bytes) {
    const auto spent = static_cast<std::int64_t>(bytes);
    if (to_sources_ != kNoBound) to_sources_ -= spent;
    if (to_ingest_ != kNoBound) to_ingest_ -= spent;
  }

  bool is_closed() const { return closed_.load(std::memory_order_acquire) || to_sources_ <= 0; }
  // Not even what was captured may go on: the rest of the disk is for what makes room.
  bool is_shut() const { return to_ingest_ <= 0; }
  // One that is larger than what is left may use what is kept for ingest, up to a half, or on a small disk it would never come in.
  bool has_room(std::uint64_t bytes) const {
    return !is_closed() && std::cmp_less_equal(bytes, std::max(to_sources_.load(), to_ingest_.load() / 2));
  }
  std::optional<std::string> reason() const {  // none: it is open
    if (!closed_.load(std::memory_order_acquire)) {
      if (to_sources_ > 0) return std::nullopt;
      return "the disk is nearly full: what may be written before it is looked at again is written; try again in a second";
    }
    const std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  std::atomic<bool> closed_ = false;
  std::atomic<std::int64_t> to_sources_ = kNoBound;
  std::atomic<std::int64_t> to_ingest_ = kNoBound;
  mutable std::mutex mutex_;
  std::optional<std::string> reason_;  // guarded by mutex_
};

}  // namespace penstock::ingest
