#pragma once
// Whether the log `events` still has what a state has applied. What is durable there is applied, never more, so a log that ends
// before that was cut, or is another one. Going on would give its records' numbers and offsets to others.

#include <cstdint>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/ports/log.h"

namespace penstock::state {

// `applied` records are in the state DATA/state. corrupt: the log has fewer; the message says how many are missing, what follows,
// and which command goes on.
Result<void> check_log_end(Log& log, std::uint64_t applied, const std::string& state_folder);

}  // namespace penstock::state
