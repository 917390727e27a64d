#include "pipeline/base/standard_streams.h"

#include <fcntl.h>

#include "pipeline/base/check.h"

namespace penstock {

void keep_standard_streams() {
  constexpr int kUnusable[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    CHECK(::open("/dev/null", kUnusable[fd]) == fd);  // the lowest number that is free
  }
}

}  // namespace penstock
