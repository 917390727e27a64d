#pragma once
// A log in another folder, as it is durable at one moment. Full segments are hard links, since nobody writes to them again; the
// last, and all of them on another file system, are copies. Their indexes stay behind: they are made again when they are needed.

#include <cstdint>
#include <string>

#include "connectors/logs/local/segment_table.h"

namespace penstock::logs::local {

struct LogCopy {
  std::uint64_t bytes = 0;
  std::uint64_t events = 0;
  std::uint64_t next_sequence = 0;
};

// Into the folder `to`, which is made; durable when it returns. Writing goes on meanwhile; no segment may be removed. An error
// leaves a part behind.
Result<LogCopy> copy_log(Disk& disk, const SegmentTable& table, const std::string& to);

}  // namespace penstock::logs::local
