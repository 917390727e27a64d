#pragma once
// Whether the log `captured` has what ingest goes on from, and what to do when it has not.

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/logs/local/captured_repair.h"
#include "pipeline/ports/disk.h"
#include "pipeline/ports/log.h"
#include "pipeline/state/derived_state.h"

namespace penstock::topology {

// corrupt: records that ingest has read are not in it any more, so new ones would get their numbers and never be read; or it
// begins after the first that ingest goes on from. The message names the command that goes on. `data` is the data folder.
Result<void> check_captured(Log& log, const DerivedState& state, const std::string& data);
// `positions`: of each partition the first record that ingest has not read.
Result<void> check_captured(Log& log, const std::vector<std::uint64_t>& positions, const std::string& data);

// Of a data folder that no process has open; see connectors/logs/local/captured_repair.h. The log `events` must be whole: it
// says how far ingest has read.
Result<logs::local::CapturedRepair> repair_captured(const std::string& data, Disk& disk, const Clock& clock);

}  // namespace penstock::topology
