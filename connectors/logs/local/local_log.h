#pragma once
// The log on a local disk: the default, and what a laptop runs on. See DATA/log/captured and DATA/log/events; the formats
// are in pipeline/log/, what opening makes of a crash in recovery.h, and how writes fail in log_writer.h.
//
// One process per data folder. Thread-safe; readers must be gone before the log is. Two threads write, one per log; readers
// use their callers' threads.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/logs/local/log_copy.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/memory_budget.h"
#include "pipeline/ports/disk.h"
#include "pipeline/ports/log.h"

namespace penstock::logs::local {

struct LocalLogOptions {
  std::string folder;             // the data folder: DATA
  std::optional<int> partitions = std::nullopt;  // of a new folder (default 16); an existing one must have as many
  Bytes segment_bytes = 64_MiB;   // one file's size, about: a write is never split
  Bytes group_max = 32_MiB;       // written and synced at once
  Bytes recent_max = 8_MiB;       // of decoded records shared by readers at the tail, per log
  MemoryBudget* memory = nullptr;  // where decoded chunks are counted; outlives them
  bool own_threads = true;  // false: nothing is written but by write_queued and close, for whoever drives it by hand
};

class LocalLog final : public Log {
 public:
  // Makes the folder when it is new; after a crash, cuts what was never acknowledged. Reads little but the last segment of
  // each log. Errors say file, byte and what to do: conflict (in use; written by a newer program), invalid (other number of
  // partitions), corrupt (acknowledged bytes are damaged or missing), io and unavailable (the disk refuses).
  static Result<std::unique_ptr<LocalLog>> open(LocalLogOptions options, Disk& disk, const Clock& clock);
  // The same for a pipeline that is stopped: makes no data folder. not_found: it is none.
  static Result<std::unique_ptr<LocalLog>> open_stopped(const std::string& folder, Disk& disk, const Clock& clock);
  // Without `captured`, which must not be asked for then: for whoever repairs that, with the folder's lock held.
  static Result<std::unique_ptr<LocalLog>> open_events(const std::string& folder, Disk& disk, const Clock& clock);

  ~LocalLog() override;

  int partitions() const override;
  void append(LogName log, LogRecord record, AppendDone done) override;
  Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) override;
  Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) override;
  Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) override;
  Result<Offsets> offsets_at(LogName log, Timestamp time) override;
  Result<Trimmed> trim(LogName log, const TrimLimits& limits) override;
  Offsets begin(LogName log) const override;
  Offsets end(LogName log) const override;
  std::uint64_t next_sequence(LogName log) const override;
  std::uint64_t bytes(LogName log) const override;
  std::size_t pending_bytes() const override;
  std::optional<Error> failure() const override;
  std::optional<Error> refusal() const override;
  void close() override;

  // Both logs into DATA/log of another folder, as they are durable now, for a backup. `before` is called first: whatever it
  // copies is not ahead of the logs in the folder, and trim removes nothing that it may point to until all is copied. `events`
  // comes before `captured`, so that the former never says that more of the latter was read than there is.
  // Writing goes on. An error leaves a part behind.
  struct Copies {
    LogCopy captured;
    LogCopy events;
  };
  Result<Copies> copy_to(const std::string& data, const std::function<Result<void>()>& before);
  // Without threads of its own: makes durable, and answers, one group of what is queued. False: there was nothing.
  bool write_queued(LogName log);
  std::size_t queued(LogName log) const;

 private:
  struct Impl;
  struct OneLog;
  class NoTrimming;
  explicit LocalLog(std::unique_ptr<Impl> impl);
  static Result<std::unique_ptr<LocalLog>> open_logs(LocalLogOptions options, const std::vector<LogName>& names, Disk& disk,
                                                     const Clock& clock);

  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::logs::local
