#pragma once
// Standard error that takes nothing: whoever writes to its log stands still. So do threads of a library that tell us what they do.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace penstock::fakes {

class StuckLog {
 public:
  StuckLog() : before_(dup(STDERR_FILENO)) {
    REQUIRE(before_ >= 0);
    REQUIRE(pipe2(ends_.data(), O_NONBLOCK) == 0);
    const std::array<char, 4096> nothing{};
    while (write(ends_[1], nothing.data(), nothing.size()) > 0) {}
    REQUIRE(fcntl(ends_[1], F_SETFL, 0) == 0);
    REQUIRE(dup2(ends_[1], STDERR_FILENO) >= 0);
    close(ends_[1]);
  }
  ~StuckLog() { release(); }
  StuckLog(const StuckLog&) = delete;
  StuckLog& operator=(const StuckLog&) = delete;

  // What was written meanwhile is lost.
  void release() {
    if (before_ < 0) return;
    REQUIRE(dup2(before_, STDERR_FILENO) >= 0);
    close(before_);
    before_ = -1;
    REQUIRE(fcntl(ends_[0], F_SETFL, 0) == 0);
    std::array<char, 4096> nothing{};
    while (read(ends_[0], nothing.data(), nothing.size()) > 0) {  // until nobody writes there any more
    }
    close(ends_[0]);
  }

 private:
  int before_;
  std::array<int, 2> ends_{};
};

}  // namespace penstock::fakes
