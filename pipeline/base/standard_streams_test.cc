#include "pipeline/base/standard_streams.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace penstock {
namespace {

// In a process of its own, since the streams are the whole process's: whether `holds` after 0, 1 and 2 were closed and kept.
template <class Holds>
bool in_a_process_without_streams(Holds holds) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    keep_standard_streams();
    ::_exit(holds() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a file that is opened later never gets the number of a standard stream") {
  CHECK(in_a_process_without_streams([] { return ::open("/dev/null", O_RDONLY) > 2; }));
}

TEST_CASE("standard streams that were closed cannot be read or written, and messages go nowhere") {
  CHECK(in_a_process_without_streams([] {
    char byte = 'x';
    return ::read(0, &byte, 1) < 0 && ::write(1, &byte, 1) < 0 && ::write(2, &byte, 1) == 1;
  }));
}

TEST_CASE("standard streams that are open stay what they are") {
  const int flags = ::fcntl(1, F_GETFL);
  keep_standard_streams();
  CHECK(::fcntl(1, F_GETFL) == flags);
}

}  // namespace penstock
