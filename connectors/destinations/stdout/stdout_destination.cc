#include "connectors/destinations/stdout/stdout_destination.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include "pipeline/base/check.h"
#include "pipeline/event/envelope.h"

namespace penstock::destinations::stdout {
namespace {

constexpr int kLastWaitMs = 1000;

Outcome unavailable(std::string code, std::string reason) {
  return {.kind = Outcome::Kind::unavailable,
          .code = std::move(code),
          .reason = std::move(reason),
          .retry_after = {},
          .lost = true};
}

Outcome refused(int error_number) {
  if (error_number == EPIPE) return unavailable("broken_pipe", "whoever read standard output has gone away");
  const bool full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  return unavailable(full ? "enospc" : "io",
                     "cannot write to standard output: " + std::generic_category().message(error_number));
}

}  // namespace

StdoutSink::StdoutSink(Config config, const ConnectorContext&, int fd)
    : config_(config), fd_(fd), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(wake_fd_ >= 0);
}

StdoutSink::~StdoutSink() { ::close(wake_fd_); }

Result<void> StdoutSink::open(std::stop_token) {
  struct stat now;
  if (::fstat(fd_, &now) != 0) return fail_errno("standard output is not open", errno);
  if ((::fcntl(fd_, F_GETFL) & O_ACCMODE) == O_RDONLY) return fail_errno("standard output is not open", EBADF);
  takes_any_size_ = S_ISREG(now.st_mode);
  // A pipe without a reader says so before anything is written to it.
  pollfd state{fd_, POLLOUT, 0};
  if (::poll(&state, 1, 0) > 0 && (state.revents & POLLERR) != 0 && S_ISFIFO(now.st_mode)) {
    return fail(ErrorKind::unavailable, refused(EPIPE).reason);
  }
  std::uint64_t woken = 0;
  while (::read(wake_fd_, &woken, sizeof woken) > 0) {}
  interrupted_ = false;
  return {};
}

void StdoutSink::write(std::span<const Batch> group, std::span<Outcomes> outcomes) {
  Outcome outcome;
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (outcome.kind == Outcome::Kind::delivered) {
      lines_.assign(mid_line_ ? "\n" : "");
      for (const auto& event : group[i].events) append_line(lines_, event, config_.format == Format::envelope);
      outcome = write_all(lines_);
    }
    outcomes[i] = Outcomes::all(outcome);
  }
}

// In pieces that a pipe takes without waiting once it has said that it has room. Non-blocking mode would be simpler, but it
// belongs to everyone who shares this standard output, the user's shell included.
Outcome StdoutSink::write_all(std::string_view text) {
  while (!text.empty()) {
    if (!takes_any_size_ && !wait_for_room()) {
      return unavailable("closed", "standard output took nothing more before the end");
    }
    const ssize_t n =
        ::write(fd_, text.data(), takes_any_size_ ? text.size() : std::min<std::size_t>(text.size(), PIPE_BUF));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return refused(errno);
    text.remove_prefix(static_cast<std::size_t>(n));
    mid_line_ = !text.empty();
  }
  return Outcome::delivered();
}

bool StdoutSink::wait_for_room() {
  for (;;) {
    const bool last = interrupted_;
    pollfd states[2] = {{fd_, POLLOUT, 0}, {wake_fd_, POLLIN, 0}};
    const int ready = ::poll(states, last ? 1 : 2, last ? kLastWaitMs : -1);
    if (states[0].revents != 0) return true;  // room, or an error that the write will name
    if (ready == 0 && last) return false;
    if (ready < 0 && errno != EINTR) return true;
  }
}

void StdoutSink::interrupt() {
  interrupted_ = true;
  const std::uint64_t one = 1;
  CHECK(::write(wake_fd_, &one, sizeof one) == sizeof one);
}

void register_in(Registry& registry) { registry.destinations.add<StdoutDestination>("stdout"); }

}  // namespace penstock::destinations::stdout
