#pragma once
// What `penstock` returns to a shell.

namespace penstock::cli {

enum ExitCode : int {
  kOk = 0,
  kNotWell = 1,   // the answer is no: an invalid file, a failing case, an unhealthy pipeline
  kUsage = 2,     // the command line is wrong
  kCannot = 3,    // it could not be done: nothing runs there, no permission, a broken disk
};

}  // namespace penstock::cli
