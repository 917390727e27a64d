#include "connectors/sources/stdin/stdin_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "connectors/sources/stdin/line_buffer.h"
#include "pipeline/base/check.h"
#include "pipeline/base/log.h"

namespace penstock::sources::stdin {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kPushBytes = 1 << 20;
constexpr std::size_t kUnansweredBytesMax = 8 << 20;
constexpr std::chrono::milliseconds kFirstBackOff{20};
constexpr std::chrono::milliseconds kBackOffMax{5000};

}  // namespace

// The thread that reads and pushes, and what it knows.
class StdinSource::Pump {
 public:
  Pump(StdinSource& source, Intake& intake)
      : source_(source), intake_(intake), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        buffer_(source.config_.line_max.count), chunk_(std::make_unique<std::array<char, kReadBytes>>()) {
    CHECK(wake_fd_ >= 0);
    thread_ = std::thread([this] { run(); });
  }
  ~Pump() {
    stopping_ = true;
    wake();
    thread_.join();
    ::close(wake_fd_);
  }
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

 private:
  using Steady = std::chrono::steady_clock;

  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "intake-stdin");
    bool gave_up = false;
    for (;;) {
      settle_answer();
      if (stopping_ && !over_) over_ = true;  // a line of which only the beginning was read stays behind
      gave_up = stopping_ && !in_flight_ && back_off_.count() > 0;
      if (in_flight_ == 0 && !gave_up && Steady::now() >= push_at_) push();
      if (in_flight_ == 0 && (gave_up || (over_ && buffer_.lines(1).empty()))) break;
      wait();
    }
    if (gave_up) {
      log_error("stdin", "source {}: {} bytes that were read are lost: the log did not take them before the end",
                source_.name_, buffer_.bytes());
    }
    if (read_error_ != 0) source_.failed_ = read_error_;
    else source_.finished_ = !stopping_;
  }

  void push() {
    const auto lines = buffer_.lines(kPushBytes);
    if (lines.empty()) return;
    auto records = records_of(lines, source_.config_.line_max.count);
    in_flight_ = lines.size();
    if (records.bodies.empty()) return answer(Accepted{});
    intake_.push(std::move(records), [this](Result<Accepted> result) { answer(std::move(result)); });
  }

  // Any thread. Only after the wake-up is written may this object go.
  void answer(Result<Accepted> result) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(result);
    wake();
  }

  void settle_answer() {
    std::unique_lock lock(mutex_);
    const auto answer = std::exchange(answer_, std::nullopt);
    lock.unlock();
    if (!answer) return;
    if (*answer) {
      buffer_.drop(in_flight_);
      back_off_ = {};
      push_at_ = {};
    } else {
      if (back_off_.count() == 0) {
        log_warning("stdin", "source {} waits, and pushes again: {}", source_.name_, answer->error().message);
      }
      back_off_ = std::min(std::max(back_off_ * 2, kFirstBackOff), kBackOffMax);
      push_at_ = Steady::now() + back_off_;
    }
    in_flight_ = 0;
  }

  // For input, an answer, the end of the back-off, or stop.
  void wait() {
    const bool reading = !over_ && buffer_.bytes() < kUnansweredBytesMax;
    int timeout = -1;
    if (in_flight_ == 0 && !buffer_.lines(1).empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(push_at_ - Steady::now());
      timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    pollfd states[2] = {{wake_fd_, POLLIN, 0}, {source_.fd_, POLLIN, 0}};
    if (::poll(states, reading ? 2 : 1, timeout) < 0) return;  // EINTR: around again
    if (states[0].revents != 0) {
      std::uint64_t count = 0;
      while (::read(wake_fd_, &count, sizeof count) > 0) {}
    }
    if (reading && states[1].revents != 0) read_some();
  }

  void read_some() {
    const ssize_t n = ::read(source_.fd_, chunk_->data(), chunk_->size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n < 0) {
      read_error_ = errno;  // told when what was read before is in the log
      over_ = true;  // of the line in hand only the beginning is known
    } else if (n > 0) {
      buffer_.add({chunk_->data(), static_cast<std::size_t>(n)});
    } else {
      buffer_.end();
      over_ = true;
    }
  }

  void wake() {
    const std::uint64_t one = 1;
    CHECK(::write(wake_fd_, &one, sizeof one) == sizeof one);
  }

  StdinSource& source_;
  Intake& intake_;
  const int wake_fd_;
  std::atomic<bool> stopping_ = false;

  // The thread's own.
  LineBuffer buffer_;
  const std::unique_ptr<std::array<char, kReadBytes>> chunk_;
  bool over_ = false;                       // nothing more is read
  int read_error_ = 0;                      // what ended it
  std::size_t in_flight_ = 0;               // bytes at the front of buffer_ that were pushed and not answered
  std::chrono::milliseconds back_off_{0};   // 0: the last push was accepted
  Steady::time_point push_at_{};

  std::mutex mutex_;
  std::optional<Result<Accepted>> answer_;  // guarded by mutex_

  std::thread thread_;
};

StdinSource::StdinSource(Config config, const ConnectorContext& context, int fd)
    : config_(config), name_(context.name), fd_(fd) {}

StdinSource::~StdinSource() { stop(); }

Result<void> StdinSource::start(Intake& intake) {
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags < 0) return fail_errno("standard input is not open", errno);
  if ((flags & O_ACCMODE) == O_WRONLY) return fail_errno("standard input is not open", EBADF);
  pump_ = std::make_unique<Pump>(*this, intake);
  return {};
}

std::optional<Error> StdinSource::failure() const {
  const int error = failed_;
  if (error == 0) return std::nullopt;
  return Error{ErrorKind::io, fmt::format("source {}: standard input cannot be read to its end: {}", name_,
                                          std::generic_category().message(error))};
}

void StdinSource::stop() { pump_.reset(); }

void register_in(Registry& registry) { registry.sources.add<StdinSource>("stdin"); }

}  // namespace penstock::sources::stdin
