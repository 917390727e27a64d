#pragma once
// A copy of a data folder from which `penstock run` goes on, taken while the pipeline runs or from a folder that nobody has.
//
// The parts are copied one after the other while all of them change, so the order is what makes them fit: whatever points into
// a log is copied before that log.
//
//   1. derived state    is ahead of no record of `events` in the copy; what it misses it reads from there, as after a kill
//   2. delivery         a cursor is past no event in the copy. What was delivered after this moment is delivered again
//   3. the catalog      points nowhere
//   4. log `events`     says how far `captured` was read: not further than the copy of it goes
//   5. log `captured`   so everything accepted before the backup began is in it, or in `events`
//   6. FORMAT           without which no process takes the folder for data
//
// Retention removes nothing from 1 to 5: neither what a cursor still wants, nor what the copy of `events` calls unread.
// Full segments and tables of databases are hard links where the file system can, and copies elsewhere. All of it is made under
// another name, DIR.partial, and renamed when it is durable. DATA/checkpoints is left out: a new process takes its own.

#include <cstdint>
#include <string>

#include "connectors/logs/local/local_log.h"
#include "pipeline/base/result.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/ports/disk.h"
#include "pipeline/state/derived_state.h"

namespace penstock::topology {

struct BackupParts {
  logs::local::LocalLog& log;
  const DerivedState& state;
  const delivery::DeliveryStore& store;
  const catalog::Catalog& catalog;
  Disk& disk;  // the real one: databases know no other
};

struct BackupReport {
  std::uint64_t events = 0;  // in the copy of `events`
  std::uint64_t captured = 0;  // in that of `captured`
  std::uint64_t log_bytes = 0;  // of both
};

// `to` is absolute, and absent or an empty folder. Blocks for as long as it takes; any thread; not two at a time into one
// folder. conflict: there is something in `to`, or the rest of a backup beside it. After an error nothing is left.
Result<BackupReport> back_up(const BackupParts& parts, const std::string& data, const std::string& to);

// Of a folder that no process has. conflict: one has it. not_found: it is no data folder.
Result<BackupReport> back_up_stopped(const std::string& data, const std::string& to);

}  // namespace penstock::topology
