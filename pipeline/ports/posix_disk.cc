#include "pipeline/ports/posix_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace penstock {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_file(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno("open " + path, errno);
  return Descriptor(fd);
}

// Counts what really arrived into `written`, also when it fails half-way.
Result<void> write_all(int fd, std::string_view bytes, const std::string& path, std::uint64_t& written) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("write " + path, errno);
    written += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::size_t> read_up_to(int fd, std::uint64_t offset, char* out, std::size_t out_size, const std::string& path) {
  std::size_t done = 0;
  while (done < out_size) {
    const ssize_t count = ::pread(fd, out + done, out_size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read " + path, errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<std::uint64_t> size_of(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("stat " + path, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

std::string parent_of(const std::string& path) {
  const auto parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::unexpected<Error> failed(std::string_view verb, const std::string& path, const std::error_code& error) {
  return fail(ErrorKind::io, fmt::format("{} {}: {}", verb, path, error.message()));
}

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(Descriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  Result<void> append(std::string_view bytes) override { return write_all(file_.get(), bytes, path_, size_); }

  Result<void> sync() override {
    // EINTR does not tell whether the data went out; only a call that returns 0 does, and asking again is allowed.
    int result = -1;
    do {
      result = ::fdatasync(file_.get());
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail_errno("sync " + path_, errno);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    int result = -1;
    do {
      result = ::ftruncate(file_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail_errno("truncate " + path_, errno);
    size_ = size;
    return {};
  }

  std::uint64_t size() const override { return size_; }

 private:
  Descriptor file_;
  std::string path_;
  std::uint64_t size_;
};

class PosixReadFile final : public ReadFile {
 public:
  PosixReadFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, char* out, std::size_t out_size) const override {
    return read_up_to(file_.get(), offset, out, out_size, path_);
  }
  Result<std::uint64_t> size() const override { return size_of(file_.get(), path_); }

 private:
  Descriptor file_;
  std::string path_;
};

// flock belongs to the open file, so a second lock fails in the same process too, and the kernel drops it at kill -9.
class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

std::string holder_of(int fd, const std::string& path) {
  char text[32] = {};
  const auto got = read_up_to(fd, 0, text, sizeof text - 1, path);
  std::string pid(text, got.value_or(0));
  pid.erase(std::find_if(pid.begin(), pid.end(), [](char c) { return c < '0' || c > '9'; }), pid.end());
  return pid.empty() ? "another process" : "process " + pid;
}

class PosixDisk final : public Disk {
 public:
  Result<void> create_directories(const std::string& path) override {
    // Each new name is synced into the folder above it, else a power cut could take the whole tree.
    std::vector<std::string> missing;
    for (std::string at = path;; at = parent_of(at)) {
      TRY_ASSIGN(const bool there, exists(at));
      if (there) break;
      missing.push_back(at);
    }
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return failed("create the folder", path, error);
    for (const std::string& made : missing) TRY(sync_directory(parent_of(made)));
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return failed("list", directory, error);
    std::ranges::sort(names);
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    std::error_code error;
    const bool there = fs::exists(path, error);
    if (error) return failed("look for", path, error);
    return there;
  }

  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    TRY_ASSIGN(Descriptor file, open_file(path, O_WRONLY | O_CREAT | O_APPEND));
    TRY_ASSIGN(const std::uint64_t size, size_of(file.get(), path));
    return std::make_unique<PosixAppendFile>(std::move(file), path, size);
  }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    TRY_ASSIGN(Descriptor file, open_file(path, O_RDONLY));
    return std::make_unique<PosixReadFile>(std::move(file), path);
  }

  Result<std::string> read_all(const std::string& path) override {
    TRY_ASSIGN(Descriptor file, open_file(path, O_RDONLY));
    TRY_ASSIGN(const std::uint64_t size, size_of(file.get(), path));
    std::string content(size, '\0');
    TRY_ASSIGN(const std::size_t got, read_up_to(file.get(), 0, content.data(), content.size(), path));
    content.resize(got);
    return content;
  }

  Result<void> write_atomically(const std::string& path, std::string_view content) override {
    const std::string draft = path + ".tmp";
    auto written = write_draft(draft, content);
    if (written && ::rename(draft.c_str(), path.c_str()) != 0) {
      written = fail_errno(fmt::format("rename {} to {}", draft, path), errno);
    }
    if (!written) {
      ::unlink(draft.c_str());
      return written;
    }
    return sync_directory(parent_of(path));
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return fail_errno("remove " + path, errno);
    return {};
  }

  Result<bool> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return true;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP || errno == ENOSYS) return false;
    return fail_errno(fmt::format("link {} to {}", from, to), errno);
  }

  Result<void> sync_directory(const std::string& path) override {
    TRY_ASSIGN(Descriptor directory, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) != 0) return fail_errno("sync the folder " + path, errno);
    return {};
  }

  Result<Space> space(const std::string& path) override {
    struct statvfs found{};
    if (::statvfs(path.c_str(), &found) != 0) return fail_errno("ask for the free space of " + path, errno);
    return Space{std::uint64_t{found.f_blocks} * found.f_frsize, std::uint64_t{found.f_bavail} * found.f_frsize};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    TRY_ASSIGN(Descriptor file, open_file(path, O_RDWR | O_CREAT));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return fail_errno("lock " + path, errno);
      return fail(ErrorKind::conflict, fmt::format("{} is held by {}", path, holder_of(file.get(), path)));
    }
    // The process id is only there to be told to a second process; a full disk must not keep the first from starting.
    std::uint64_t written = 0;
    if (::ftruncate(file.get(), 0) == 0) (void)write_all(file.get(), fmt::format("{}\n", ::getpid()), path, written);
    return std::make_unique<PosixLock>(std::move(file));
  }

 private:
  static Result<void> write_draft(const std::string& draft, std::string_view content) {
    TRY_ASSIGN(Descriptor file, open_file(draft, O_WRONLY | O_CREAT | O_TRUNC));
    std::uint64_t written = 0;
    TRY(write_all(file.get(), content, draft, written));
    if (::fsync(file.get()) != 0) return fail_errno("sync " + draft, errno);
    return {};
  }
};

}  // namespace

Disk& posix_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace penstock
