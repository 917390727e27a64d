#include "pipeline/config/lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace penstock::config {
namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> io_error() {
  return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::io, std::strerror(errno));
}

Result<std::string> read_whole_file(const std::string& path, Bytes bytes_max) {
  const OpenFile file(path);
  if (file.fd() < 0) return io_error();
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) return io_error();
  if (S_ISDIR(info.st_mode)) return fail(ErrorKind::io, "it is a directory, not a file");
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(file.fd(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error();
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > bytes_max.count)
      return fail(ErrorKind::limit, fmt::format("it is larger than {}", to_string(bytes_max)));
  }
}

}  // namespace

Lookup process_lookup() {
  const auto env = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return {env, read_whole_file};
}

}  // namespace penstock::config
