#include "pipeline/cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>

#include "pipeline/base/printable.h"

namespace penstock::cli {

int refuse(const Error& error, ExitCode code) {
  fmt::print(stderr, "penstock: {}\n", printable_lines(error.message));
  return code;
}

int refuse(const Error& error) { return refuse(error, error.kind == ErrorKind::invalid ? kNotWell : kCannot); }

int refuse_order(const Error& error) { return refuse(error, error.kind == ErrorKind::invalid ? kUsage : kCannot); }

}  // namespace penstock::cli
