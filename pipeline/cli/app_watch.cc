#include "pipeline/cli/app_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "pipeline/base/folder_watch.h"

namespace penstock::cli {
namespace {

constexpr int kLookMilliseconds = 50;  // while a change waits for the files to be left alone, or a folder is missing
constexpr int kIdleMilliseconds = 500;  // nobody tells when a parent of a folder is moved

// A descriptor that becomes readable when a signal asks the process to end.
class StopSignals {
 public:
  StopSignals() {
    sigset_t stop;
    sigemptyset(&stop);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&stop, signal);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    descriptor_ = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~StopSignals() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// True after a change, false after a signal.
Result<bool> wait(FolderWatch& watch, const std::vector<std::string>& folders, const StopSignals& signals) {
  bool stirred = false;
  for (;;) {
    TRY(watch.watch(folders));
    stirred = stirred || watch.incomplete();
    std::array<pollfd, 2> ready{pollfd{watch.descriptor(), POLLIN, 0}, pollfd{signals.descriptor(), POLLIN, 0}};
    if (poll(ready.data(), ready.size(), stirred ? kLookMilliseconds : kIdleMilliseconds) < 0 && errno != EINTR)
      return fail_errno("wait for changes", errno);
    if (ready[1].revents != 0) return false;
    stirred = stirred || ready[0].revents != 0;
    if (watch.changed(system_clock().steady())) return true;
  }
}

}  // namespace

Result<int> run_at_changes(const std::function<std::vector<std::string>()>& folders, const std::function<int()>& run) {
  const StopSignals signals;
  if (signals.descriptor() < 0) return fail_errno("wait for signals", errno);
  TRY_ASSIGN(auto watch, FolderWatch::create());
  for (;;) {
    const std::vector<std::string> watched = folders();
    TRY(watch.watch(watched));
    const int code = run();
    TRY_ASSIGN(const bool changed, wait(watch, watched, signals));
    if (!changed) return code;
  }
}

}  // namespace penstock::cli
