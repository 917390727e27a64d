#pragma once
// Runs something now and again whenever files of some apps change.

#include <functional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::cli {

// Calls `run` at once, and again after each change below what `folders` then gives. Returns what `run` gave last when SIGINT
// or SIGTERM comes; both are blocked from here on. For the only thread of a process.
Result<int> run_at_changes(const std::function<std::vector<std::string>()>& folders, const std::function<int()>& run);

}  // namespace penstock::cli
