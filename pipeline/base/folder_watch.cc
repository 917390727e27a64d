#include "pipeline/base/folder_watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace penstock {
namespace {

namespace fs = std::filesystem;
constexpr int kDepthMax = 8;
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

Result<FolderWatch> FolderWatch::create() {
  const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0)
    return fail(ErrorKind::io, fmt::format("cannot watch files: {} (fs.inotify.max_user_instances)", std::strerror(errno)));
  return FolderWatch(descriptor);
}

FolderWatch::~FolderWatch() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderWatch::FolderWatch(FolderWatch&& other) noexcept { *this = std::move(other); }

FolderWatch& FolderWatch::operator=(FolderWatch&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(wanted_, other.wanted_);
  std::swap(found_, other.found_);
  std::swap(watched_, other.watched_);
  std::swap(incomplete_, other.incomplete_);
  std::swap(pending_, other.pending_);
  std::swap(came_back_, other.came_back_);
  std::swap(last_change_, other.last_change_);
  return *this;
}

std::vector<FolderWatch::Identity> FolderWatch::identities(const std::vector<std::string>& folders) {
  std::vector<Identity> found;
  for (const std::string& folder : folders) {
    struct stat info{};
    found.push_back(::stat(folder.c_str(), &info) == 0 ? Identity{info.st_dev, info.st_ino} : Identity{});
  }
  return found;
}

Result<void> FolderWatch::watch(const std::vector<std::string>& folders) {
  const bool same = folders == wanted_;
  const auto found = identities(folders);
  if (same && !incomplete_ && found == found_) return {};
  for (std::size_t i = 0; same && i < found.size(); ++i)
    if (found[i] != found_[i] && found[i] != Identity{}) came_back_ = true;
  found_ = found;
  const std::size_t before = watched_.size();
  for (const auto& [number, folder] : watched_) inotify_rm_watch(descriptor_, number);
  watched_.clear();
  wanted_ = folders;
  incomplete_ = false;
  Result<void> all;
  for (const std::string& folder : folders)
    if (auto added = add(folder, 0); !added && all) all = std::move(added);
  // One that came back may hold anything.
  if (same && watched_.size() > before) came_back_ = true;
  return all;
}

Result<void> FolderWatch::add(const std::string& folder, int depth) {
  const int number = inotify_add_watch(descriptor_, folder.c_str(), kEvents);
  if (number < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      incomplete_ = true;
      return {};
    }
    return fail(ErrorKind::io, fmt::format("cannot watch {}: {}{}", folder, std::strerror(errno),
                                           errno == ENOSPC ? " (fs.inotify.max_user_watches)" : ""));
  }
  watched_[number] = folder;
  if (depth == kDepthMax) return {};
  Result<void> all;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->is_directory(ignored) || it->is_symlink(ignored)) continue;
    if (auto added = add(it->path().string(), depth + 1); !added && all) all = std::move(added);
  }
  return all;
}

bool FolderWatch::read_events() {
  alignas(inotify_event) char buffer[4096];
  bool any = false;
  for (;;) {
    const ssize_t got = ::read(descriptor_, buffer, sizeof buffer);
    if (got <= 0) return any;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      // Of no watch: events were lost, and what they told of folders too.
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        any = incomplete_ = true;
        continue;
      }
      // What inotify_rm_watch itself says.
      if (!watched_.contains(event->wd)) continue;
      if ((event->mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) incomplete_ = true;
      any = true;
    }
  }
}

bool FolderWatch::changed(SteadyTime now) {
  const bool back = std::exchange(came_back_, false);
  if (read_events() || back) {
    pending_ = true;
    last_change_ = now;
  }
  if (!pending_ || now - last_change_ < kQuiet) return false;
  pending_ = false;
  return true;
}

}  // namespace penstock
