#pragma once
// The time between two tries at something that only brokers can change, of which nobody would tell.

#include <stop_token>

#include "pipeline/base/clock.h"

namespace penstock::kafka {

// False: it is to stop, and returns as soon as it is. Any thread.
bool pause(Duration time, const std::stop_token& stop);

}  // namespace penstock::kafka
