#pragma once
// Fills the set of seen uuids when a pipeline starts.

#include <stop_token>

#include "pipeline/ingest/seen_uuids.h"
#include "pipeline/ports/log.h"

namespace penstock::ingest {

// From the end of `events`, as far back as the window or the number of uuids goes. Before anything is claimed. Where the log is
// damaged it goes on behind that, and warns of what is not remembered; an error is what may be otherwise the next time, or a log of a
// newer program, or `stopped`: asked to by `stop`.
Result<void> remember_uuids(SeenUuids& seen, Log& log, const Clock& clock, const std::stop_token& stop = {});

}  // namespace penstock::ingest
