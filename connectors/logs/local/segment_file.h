#pragma once
// Making segment files and the index files beside them.

#include <memory>
#include <string>

#include "pipeline/log/segment_format.h"
#include "pipeline/ports/disk.h"

namespace penstock::logs::local {

// One segment as the log keeps it in mind.
struct Segment {
  std::uint64_t first_sequence = 0;
  Timestamp created;
  std::uint64_t bytes = 0;  // durable
  Offsets start;            // of each partition, before its first record
};

std::string segment_path(const std::string& folder, std::uint64_t first_sequence);

// A new segment with its header, durable under its name. unavailable: there is no room for it now, and nothing is left
// behind that matters; io: a sync failed, and nothing may be promised any more.
Result<std::unique_ptr<AppendFile>> create_segment(Disk& disk, const std::string& folder,
                                                   const log_format::SegmentHeader& header);

// Removes a segment and its index, as far as they are there. The folder is synced, so that what is gone stays gone.
Result<void> remove_segment(Disk& disk, const std::string& folder, std::uint64_t first_sequence);

// How far apart the entries of an index are: the most a seek reads in vain.
inline constexpr std::uint64_t kIndexSpacing = 256 << 10;

// The index of a full segment: from its file, or from the segment when the file is missing, cannot be read or does not fit; then
// the file is written anew. `next_sequence` is that of the next segment. Errors: the segment cannot be read or is damaged.
Result<log_format::SegmentIndex> load_index(Disk& disk, const std::string& folder, const Segment& segment,
                                            std::uint64_t next_sequence);

// A failure is told to the operator and harms nothing: the file is made again when it is needed.
void write_index(Disk& disk, const std::string& folder, const log_format::SegmentIndex& index);

}  // namespace penstock::logs::local
