#pragma once
// Goes on without what is damaged of `captured`. That log is a queue between sources and ingest: of what is whole, only the
// records that ingest has not read yet are needed. They are written anew into one segment, each under its own number, so that
// no position means another record than before; an empty record stands for each that is lost, and for each that ingest has read
// though the log has it no more. The old segments stay beside it under another name.
//
// Killed at any moment, the next call finishes: the new segment has a name of its own while it is complete and not yet in
// place, and opening the log refuses as long as it has.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/ports/disk.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::local {

inline constexpr std::string_view kRepairedEnding = ".repaired";  // after the name of the segment, while it is not in place
inline constexpr std::string_view kDamagedEnding =
    ".damaged";  // of the next repair that sets such a segment aside: .damaged.2, …

struct CapturedRepair {
  bool was_whole = false;  // and has all that positions speak of: only the rest of a write was cut off, if there was one
  std::vector<std::string> damage;  // where and what, a sentence each
  std::vector<std::string> set_aside;  // the old segments, under their new names
  bool was_interrupted = false;  // an earlier call had saved all that could be, and told what
  std::uint64_t kept_records = 0;  // that ingest has yet to read
  std::uint64_t kept_events = 0;
  std::uint64_t lost_records = 0;  // that ingest had yet to read, at least for a part of the partitions
  std::uint64_t lost_events = 0;  // in those records, as far as later ones tell
  // False: nobody can tell what was accepted from record `end` on, because the newest files are gone, or hold `end_bytes`
  // bytes in `end_files` files behind the newest whole record that are none.
  bool end_is_known = true;
  std::uint64_t end = 0;  // after the newest record that is whole or was read
  std::uint64_t end_bytes = 0;  // of a whole log: what was cut off
  std::uint64_t end_files = 0;
};

// `folder` is DATA/log/captured of a data folder that nobody else has open. `next_to_read` is, of each partition, the first
// record that ingest has not committed. io, unavailable (no room): what was there is untouched, or the next call finishes.
// conflict: a newer program wrote it.
Result<CapturedRepair> repair_captured(Disk& disk, const std::string& folder, const std::vector<std::uint64_t>& next_to_read,
                                       Timestamp now);

}  // namespace penstock::logs::local
