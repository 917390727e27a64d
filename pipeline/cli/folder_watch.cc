#include "pipeline/cli/folder_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kQuietMilliseconds = 100;
constexpr std::uint32_t kChanges =
    IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

void add_below(const std::string& folder, std::vector<std::string>& all) {
  all.push_back(folder);
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error) && !it->is_symlink(error)) all.push_back(it->path().string());
}

}  // namespace

Result<FolderWatch> FolderWatch::create() {
  FolderWatch watch;
  sigset_t stop;
  sigemptyset(&stop);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&stop, signal);
  if (pthread_sigmask(SIG_BLOCK, &stop, nullptr) != 0) return fail_errno("block signals", errno);
  watch.signals_ = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
  if (watch.signals_ < 0) return fail_errno("signalfd", errno);
  watch.events_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (watch.events_ < 0) return fail_errno("inotify", errno);
  return watch;
}

FolderWatch::FolderWatch(FolderWatch&& other) noexcept
    : events_(std::exchange(other.events_, -1)), signals_(std::exchange(other.signals_, -1)),
      watches_(std::move(other.watches_)) {}

FolderWatch::~FolderWatch() {
  if (events_ >= 0) close(events_);
  if (signals_ >= 0) close(signals_);
}

Result<void> FolderWatch::look_at(const std::vector<std::string>& folders) {
  for (const int watch : watches_) inotify_rm_watch(events_, watch);
  watches_.clear();
  TRY(drain());
  std::vector<std::string> all;
  for (const std::string& folder : folders) add_below(folder, all);
  for (const std::string& folder : all) {
    const int watch = inotify_add_watch(events_, folder.c_str(), kChanges | IN_ONLYDIR);
    if (watch < 0 && errno == ENOENT) continue;  // gone meanwhile
    if (watch < 0) return fail_errno("watch " + folder, errno);
    watches_.push_back(watch);
  }
  return {};
}

// True when there was anything.
Result<bool> FolderWatch::drain() {
  alignas(inotify_event) std::array<char, 4096> buffer;
  bool any = false;
  for (;;) {
    const ssize_t size = read(events_, buffer.data(), buffer.size());
    if (size < 0 && errno == EAGAIN) return any;
    if (size < 0 && errno != EINTR) return fail_errno("read changes", errno);
    any = true;
  }
}

Result<FolderWatch::Woken> FolderWatch::wait() {
  bool changed = false;
  for (;;) {
    std::array<pollfd, 2> ready{pollfd{events_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
    const int count = poll(ready.data(), ready.size(), changed ? kQuietMilliseconds : -1);
    if (count < 0 && errno != EINTR) return fail_errno("poll", errno);
    if (count == 0) return Woken::changed;
    if (count > 0 && ready[1].revents != 0) return Woken::interrupted;
    if (count > 0 && ready[0].revents != 0) {
      TRY_ASSIGN(const bool any, drain());
      changed = changed || any;
    }
  }
}

}  // namespace penstock::cli
