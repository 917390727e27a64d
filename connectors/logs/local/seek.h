#pragma once
// Finds where in the segments to start reading: by the segments' headers, then by the sparse index.

#include "connectors/logs/local/segment_table.h"

namespace penstock::logs::local {

struct StartingPoint {
  std::uint64_t segment = 0;   // its first sequence
  std::uint64_t position = 0;  // in that file
  std::uint64_t sequence = 0;  // of the record there
  Offsets next;                // before that record
};

// The last indexed place that `reached` approves. not_found: none is, what is looked for is not kept any more.
Result<StartingPoint> seek(Disk& disk, const SegmentTable& table, const SegmentTable::Reached& reached);

// The offsets before the first record that was appended at `time` or later; the end when there is none. Reads the records
// between two entries of an index. not_found: the segment was removed meanwhile.
Result<Offsets> seek_time(Disk& disk, const SegmentTable& table, Timestamp time);

}  // namespace penstock::logs::local
