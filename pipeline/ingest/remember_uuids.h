#pragma once
// Fills the set of seen uuids when a pipeline starts; where shards of the input come to a process, one that all of them share.

#include <mutex>
#include <stop_token>

#include "pipeline/ingest/seen_uuids.h"
#include "pipeline/ports/log.h"

namespace penstock::ingest {

// From the end of `events`, as far back as the window or the number of uuids goes. Before anything is claimed. Where the log is
// damaged it goes on behind that, and warns of what is not remembered; an error is what may be otherwise the next time, or a log of a
// newer program, or `stopped`: asked to by `stop`.
Result<void> remember_uuids(SeenUuids& seen, Log& log, const Clock& clock, const std::stop_token& stop = {});

// The newest uuids of all of `events`, whoever committed them. A shard that comes brings none, and which of them were its own nobody can
// tell there. So each time everything is read that came since the last time. Thread-safe.
class UuidsOfLog {
 public:
  explicit UuidsOfLog(DedupSettings settings) : seen_(settings) {}

  // Up to the end of the log; as remember_uuids. One caller after another.
  Result<void> catch_up(Log& log, const Clock& clock, const std::stop_token& stop);
  const SeenUuids& seen() const { return seen_; }

 private:
  SeenUuids seen_;
  std::timed_mutex reading_;
  Offsets read_to_;  // guarded by reading_
};

inline const SeenUuids* seen_of(const UuidsOfLog* uuids) { return uuids == nullptr ? nullptr : &uuids->seen(); }

}  // namespace penstock::ingest
