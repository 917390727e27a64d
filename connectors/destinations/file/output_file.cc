#include "connectors/destinations/file/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "pipeline/base/log.h"

namespace penstock::destinations::file {
namespace {

std::unexpected<Error> refused(std::string_view verb, const std::string& path, int error_number) {
  auto error = fail_errno(fmt::format("cannot {} {}", verb, path), error_number);
  // EFBIG: a file size limit; like a full disk it ends when somebody makes room or moves the file away.
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG) error.error().kind = ErrorKind::limit;
  return error;
}

Result<void> make_folders_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return refused("create the folder", folder.string(), error.value());
  return {};
}

}  // namespace

Result<std::unique_ptr<OutputFile>> OutputFile::open(const std::string& path) {
  TRY(make_folders_of(path));
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
  if (fd < 0) return refused("open", path, errno);
  std::unique_ptr<OutputFile> file(new OutputFile(fd, path));
  struct stat now;
  if (::fstat(fd, &now) != 0) return refused("look at", path, errno);
  if (!S_ISREG(now.st_mode)) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is not a regular file; type stdout writes to pipes and terminals", path));
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return refused("lock", path, errno);
    return fail(ErrorKind::conflict, fmt::format("{} is being written by another destination or process; "
                                                 "give each destination a path of its own",
                                                 path));
  }
  file->size_ = static_cast<std::uint64_t>(now.st_size);
  if (file->size_ == 0) TRY(sync_folder_of(path));
  return file;
}

OutputFile::~OutputFile() { ::close(fd_); }

Result<void> OutputFile::append(std::string_view bytes) {
  const std::uint64_t before = size_;
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto error = refused("write to", path_, errno);
      if (auto cut_back = cut(before); !cut_back) log_warning("file", "{}", cut_back.error().message);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    size_ += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> OutputFile::sync() {
  if (::fdatasync(fd_) != 0) return refused("sync", path_, errno);
  return {};
}

Result<void> OutputFile::cut(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return refused("cut", path_, errno);
  size_ = size;
  return {};
}

Timestamp OutputFile::born() const {
  struct statx now;
  if (::statx(fd_, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &now) != 0) return {};
  const auto& time = (now.stx_mask & STATX_BTIME) != 0 ? now.stx_btime : now.stx_mtime;
  return Timestamp{time.tv_sec * 1000 + time.tv_nsec / 1'000'000};
}

bool OutputFile::in_place() {
  struct stat here;
  struct stat there;
  if (::fstat(fd_, &here) != 0 || ::stat(path_.c_str(), &there) != 0) return false;
  size_ = static_cast<std::uint64_t>(here.st_size);
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

Result<void> rename_to_free(const std::string& from, const std::string& to) {
  const auto refuse = [&](int error_number) -> Result<void> {
    auto error = refused(fmt::format("rename {} to", from), to, error_number);
    if (error_number == EEXIST) error.error().kind = ErrorKind::conflict;
    return error;
  };
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return refuse(errno);
  // A file system that knows no such rename: a second name never replaces either.
  if (::link(from.c_str(), to.c_str()) != 0) return refuse(errno);
  if (::unlink(from.c_str()) != 0) return refuse(errno);
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? std::string(".") : parent.string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return refused("open the folder", folder, errno);
  const int code = ::fsync(fd);
  const int error_number = errno;
  ::close(fd);
  // Some network file systems cannot sync a folder; there is nothing better to do there.
  if (code != 0 && error_number != EINVAL) return refused("sync the folder", folder, error_number);
  return {};
}

}  // namespace penstock::destinations::file
