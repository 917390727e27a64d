#pragma once
// Reads a local log from a place on, across its segments, only what is durable. One thread at a time; must not outlive the
// log. After an error it stands before the record that caused it.

#include <functional>
#include <memory>

#include "connectors/logs/local/recent_records.h"
#include "connectors/logs/local/seek.h"
#include "connectors/logs/local/segment_cursor.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::local {

class LocalReader final : public LogReader {
 public:
  // Whether a record may be passed over, by its sequence and the offsets after it; asked until it says no once.
  using Before = std::function<bool(std::uint64_t sequence, const Offsets& after)>;

  LocalReader(Disk& disk, const SegmentTable& table, RecentRecords& recent, MemoryBudget* memory, StartingPoint start,
              Before before, PartitionShare share)
      : disk_(disk), table_(table), recent_(recent), memory_(memory), share_(share), at_(std::move(start)),
        before_(std::move(before)) {}

  Result<std::shared_ptr<const StoredRecord>> next() override;
  void wait(std::chrono::steady_clock::time_point deadline) override { table_.wait_for(at_.sequence, deadline); }

 private:
  Result<bool> pass_over();  // the record here, when it lies before what is asked for
  Result<std::shared_ptr<const StoredRecord>> take();
  Result<SegmentCursor::Found> read();  // the record here
  Result<void> enter_segment();         // after it, the record at at_.sequence is the one at at_.position
  Result<void> open_first();
  Result<void> open_segment(std::uint64_t first_sequence, std::uint64_t position);
  void advance(std::uint64_t record_bytes, Offsets next);

  Disk& disk_;
  const SegmentTable& table_;
  RecentRecords& recent_;
  MemoryBudget* const memory_;
  const PartitionShare share_;
  StartingPoint at_;
  Before before_;                          // empty once it said no
  std::unique_ptr<SegmentCursor> cursor_;  // over the segment at_.segment; null until the first read
  std::uint64_t limit_ = 0;                // how far it may be read, as far as we know
};

}  // namespace penstock::logs::local
