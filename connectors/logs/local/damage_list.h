#pragma once
// All that is damaged in a log that nobody writes: opening and reading stop at the first damage, but whoever has to decide what to
// do wants to know how much there is.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/ports/disk.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::local {

struct DamageList {
  std::vector<std::string> places;  // a sentence each, with file and byte, in the order of the log
  std::uint64_t more = 0;  // and so many that it has no room for
  std::uint64_t records = 0;  // that are whole, before damage and behind it
  std::uint64_t events = 0;  // in them

  std::uint64_t count() const { return places.size() + more; }
};

// Reads every segment of the log in `folder` (DATA/log/NAME), goes on behind what is none with the next whole record, and lists
// no more than `most` places. Changes nothing. Errors: the disk's own.
Result<DamageList> list_damage(Disk& disk, const std::string& folder, LogName log, int partitions, std::size_t most);

}  // namespace penstock::logs::local
