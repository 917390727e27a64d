#pragma once
// A Destination made of something that blocks: a file, a pipe, a library without an asynchronous interface. The sink runs
// on one thread of its own, is given all batches that have been queued meanwhile as one group, and so can share one sync or
// one transaction among them.
//
//   class FileSink {
//    public:
//     struct Config {…};
//     static constexpr std::string_view kSummary = …, kExample = …;
//     FileSink(Config, const ConnectorContext&);
//     Result<void> open(std::stop_token stop);                // for connect; again after a failure, or when still open
//     void write(std::span<const Batch> group, std::span<Outcomes> outcomes);  // one Outcomes per batch, `delivered` so far
//     void close();                                           // also when not open
//     void tick();                                            // optional: about once a second while nothing is queued
//     void interrupt();                                       // optional: close() was called; any thread: do not wait long
//   };
//   registry.destinations.add<Blocking<FileSink>>("file");
//
// All but interrupt() run on the sink's thread, never two at once; they catch what their library throws. A batch that comes
// before connect or after close is answered `unavailable`.

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/ports/destination.h"

namespace penstock {

template <class Sink>
class Blocking final : public Destination {
 public:
  using Config = typename Sink::Config;
  static constexpr std::string_view kSummary = Sink::kSummary;
  static constexpr std::string_view kExample = Sink::kExample;

  template <class... Args>
  explicit Blocking(Args&&... args) : sink_(std::forward<Args>(args)...) {}
  ~Blocking() override { close(); }

  Result<void> connect(std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    closing_ = false;
    opening_ = std::move(stop);
    opened_.reset();
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    connected_ = true;
    wake_.notify_one();
    answered_.wait(lock, [&] { return opened_.has_value(); });
    return *std::move(opened_);
  }

  void submit(Batch batch, Completion done) override {
    std::unique_lock lock(mutex_);
    if (!connected_) {
      lock.unlock();
      return done(Outcomes::all({Outcome::Kind::unavailable, "closed", "the destination is not connected", {}, false}));
    }
    batches_.push_back(std::move(batch));
    completions_.push_back(std::move(done));
    lock.unlock();
    wake_.notify_one();
  }

  void close() override {
    {
      const std::lock_guard lock(mutex_);
      if (!connected_) return;
      connected_ = false;
      closing_ = true;
    }
    if constexpr (requires { sink_.interrupt(); }) sink_.interrupt();
    wake_.notify_one();
    thread_.join();
  }

  // For tests, while no call is under way.
  Sink& sink() { return sink_; }

 private:
  void run() {
    // Signals are for the process's own threads; SIGPIPE becomes EPIPE where it happens.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "blocking");
    for (;;) {
      std::unique_lock lock(mutex_);
      if (!wait_for_work(lock)) continue;
      if (opening_) {
        open(lock);
        continue;
      }
      if (batches_.empty()) break;  // closing, and everything is written
      const auto group = std::exchange(batches_, {});
      auto completions = std::exchange(completions_, {});
      lock.unlock();
      std::vector<Outcomes> outcomes(group.size(), Outcomes::all(Outcome::delivered()));
      sink_.write(group, outcomes);
      for (std::size_t i = 0; i < group.size(); ++i) completions[i](std::move(outcomes[i]));
    }
    sink_.close();
  }

  void open(std::unique_lock<std::mutex>& lock) {
    const auto stop = *std::exchange(opening_, std::nullopt);
    lock.unlock();
    auto opened = sink_.open(stop);
    lock.lock();
    opened_ = std::move(opened);
    answered_.notify_one();
  }

  // False: only a tick has passed.
  bool wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto ready = [&] { return opening_.has_value() || !batches_.empty() || closing_; };
    if constexpr (requires { sink_.tick(); }) {
      if (wake_.wait_for(lock, std::chrono::seconds(1), ready)) return true;
      lock.unlock();
      sink_.tick();
      return false;
    } else {
      wake_.wait(lock, ready);
      return true;
    }
  }

  Sink sink_;
  std::mutex mutex_;
  std::condition_variable wake_;  // with mutex_
  std::condition_variable answered_;  // with mutex_
  std::optional<std::stop_token> opening_;  // guarded by mutex_; of the connect that waits
  std::optional<Result<void>> opened_;  // guarded by mutex_; its answer
  std::vector<Batch> batches_;  // guarded by mutex_
  std::vector<Completion> completions_;  // guarded by mutex_; of batches_
  bool connected_ = false;  // guarded by mutex_; connect was called, close was not
  bool closing_ = false;  // guarded by mutex_
  std::thread thread_;  // started by connect, ended by close
};

}  // namespace penstock
