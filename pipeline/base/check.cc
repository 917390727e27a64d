#include "pipeline/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace penstock {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\nThis is a bug in Penstock. Acknowledged events are safe in the log.\n",
               file, line, condition);
  std::abort();
}

}  // namespace penstock
