#pragma once
// An intake that remembers what was pushed. It can hold its answers back (cork), refuse, or find elements bad.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/ports/source.h"

namespace penstock::fakes {

// Thread-safe.
class FakeIntake final : public Intake {
 public:
  void push(PushedRecords records, std::move_only_function<void(Result<Accepted>)> done) override {
    std::unique_lock lock(mutex_);
    if (failure_) {
      ++failures_;
      changed_.notify_all();
      const Error failure = *failure_;
      lock.unlock();
      return done(fail(failure));
    }
    auto& push = pushes_.emplace_back();
    Accepted accepted;
    for (std::size_t i = 0; i < records.bodies.size(); ++i) {
      push.emplace_back(records.bodies[i]);
      if (push.back().starts_with('{') && push.back().ends_with('}')) {
        ++accepted.accepted;
      } else {
        accepted.rejected.push_back({i, "expected a JSON object"});
      }
    }
    changed_.notify_all();
    if (corked_) {
      waiting_.emplace_back(std::move(done), std::move(accepted));
      return;
    }
    lock.unlock();
    done(std::move(accepted));
  }

  void refused(std::string_view code) override {
    const std::lock_guard lock(mutex_);
    refused_.emplace_back(code);
  }

  void cork() {
    const std::lock_guard lock(mutex_);
    corked_ = true;
  }
  // Answers what waits, in order, on the calling thread.
  void uncork() {
    std::unique_lock lock(mutex_);
    corked_ = false;
    auto waiting = std::exchange(waiting_, {});
    lock.unlock();
    for (auto& [done, accepted] : waiting) done(std::move(accepted));
  }
  void fail_with(std::optional<Error> failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
  }

  // One entry per push, each with its bodies.
  std::vector<std::vector<std::string>> pushes() const {
    const std::lock_guard lock(mutex_);
    return pushes_;
  }
  // All their bodies, in order.
  std::vector<std::string> received() const {
    std::vector<std::string> all;
    for (const auto& push : pushes()) all.insert(all.end(), push.begin(), push.end());
    return all;
  }
  // Pushes that wait for their answer.
  std::size_t unanswered() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  // The codes of what was turned away, in order.
  std::vector<std::string> refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }
  // False when there were not that many within 10 seconds.
  bool wait_for_pushes(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return pushes_.size() >= count; });
  }
  bool wait_for_records(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
      std::size_t records = 0;
      for (const auto& push : pushes_) records += push.size();
      return records >= count;
    });
  }
  // Pushes that `fail_with` refused.
  bool wait_for_failures(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return failures_ >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // with mutex_
  bool corked_ = false;
  std::optional<Error> failure_;
  std::size_t failures_ = 0;
  std::vector<std::vector<std::string>> pushes_;
  std::vector<std::string> refused_;
  std::vector<std::pair<std::move_only_function<void(Result<Accepted>)>, Accepted>> waiting_;
};

}  // namespace penstock::fakes
