#pragma once
// What `penstock` returns to a shell: the same for the same failure, whichever command meets it. `penstock --help` tells it too.

#include "pipeline/base/result.h"

namespace penstock::cli {

enum ExitCode : int {
  kOk = 0,
  // The answer is no: an invalid file or app, a failing case, an event that failed, a refused reload, an unhealthy pipeline.
  kNotWell = 1,
  // The command line is wrong: no such command, option, app, connector or setting.
  kUsage = 2,
  // It could not be done: a file that cannot be read or written, nothing runs there, no permission, no such dead letter.
  kCannot = 3,
};

// Says what went wrong to standard error, and gives the code.
int refuse(const Error& error, ExitCode code);
// The same with the code that the kind of error asks for: kNotWell for input that is invalid, else kCannot.
int refuse(const Error& error);
// Of a command whose arguments only the pipeline can judge: what it calls invalid is a wrong command line.
int refuse_order(const Error& error);

}  // namespace penstock::cli
