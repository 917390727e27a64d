#pragma once
// What a folder of segments holds after whatever happened: called once per log at open, before any thread runs.
//
// Sealed segments are believed by their headers, which name the segment before and its size; their records are checked when
// they are read. The last segment is read whole. Where a record fails there, the question is whether it had been promised:
//
//   * A *torn tail* was being written when the machine stopped. It was never synced, so nobody was told "accepted". It is
//     cut off, and the operator is told how many bytes.
//   * *Damage* happened to bytes that had been synced. It is refused: cutting would silently lose what was acknowledged.
//
// Every record says how large the segment was when its write began (`group start`); everything before that was synced. So
// the bad bytes had been promised exactly when a later record's group starts after them. Without such a record behind them
// they are torn, even when valid records of the same unsynced write follow: a disk may store pages in any order.
//
// An end of zeros is torn too: after a loss of power ext4 and xfs may show a file with its new length and without what was written,
// until a sync that includes both. That is only true of a disk that keeps what it says it has synced; one that does not may leave
// zeros where acknowledged records were, at the very end, and nothing tells the two apart. So the operator is told that they were
// zeros, and what that may mean. Where ingest, or derived state, had come further than what is left, the start refuses all the same.

#include <memory>
#include <vector>

#include "connectors/logs/local/segment_file.h"

namespace penstock::logs::local {

struct Recovered {
  std::vector<Segment> segments;  // oldest first; never empty
  std::vector<log_format::IndexEntry> index;  // of the last
  std::unique_ptr<AppendFile> last;  // open at its end; what is in it is durable
  std::uint64_t next_sequence = 0;
  Offsets next;
  Timestamp last_append;
};

// Makes the first segment when the folder is empty. Errors name the file and the byte: corrupt (damage, a gap between
// segments), conflict (a newer program's), io.
Result<Recovered> recover(Disk& disk, const std::string& folder, LogName log, int partitions, Timestamp now);

}  // namespace penstock::logs::local
