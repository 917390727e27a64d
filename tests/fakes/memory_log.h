#pragma once
// Both logs in memory, for tests of what reads and writes them. It keeps the port's promises (order, whole records, only what
// is durable is seen) and lets a test hold durability back, break it, or act as retention. Durable at once unless corked.
// Thread-safe; `done` is called on the thread that made the record durable.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports/log.h"

namespace penstock::fakes {

// An event as tests write it. The uuid is derived from the body.
struct SampleEvent {
  std::string body;
  std::string event = "signup";
  std::string distinct_id = "u1";
  Timestamp received_at;  // 0: the clock's present
};

class MemoryLog : public Log {
 public:
  explicit MemoryLog(const Clock& clock, int partitions = 4);

  // One record with these events, partitioned as the real thing does.
  void add(LogName log, const std::vector<SampleEvent>& events);

  void cork();  // what is appended waits: neither durable nor visible nor answered
  void uncork();
  void break_sync(std::string reason);  // what waits and all that follows fails with this
  void refuse_next_append(Error error);  // that becomes due, and that one only: a disk that is full for a moment
  void fail_next_read(Error error, int times = 1);  // of any reader, from next()
  void damage_events(std::uint64_t sequence, Error error);  // whoever reads that record gets it,
  void mend_events();  // until then
  void drop_records_before(LogName log, std::uint64_t sequence);
  std::vector<std::shared_ptr<const StoredRecord>> records(LogName log) const;

  int partitions() const override { return partitions_; }
  void append(LogName log, LogRecord record, AppendDone done) override;
  Result<std::unique_ptr<LogReader>> read(LogName log, const Offsets& start) override;
  Result<std::unique_ptr<LogReader>> read_from_sequence(LogName log, std::uint64_t sequence) override;
  Result<std::unique_ptr<LogReader>> read_share(LogName log, std::uint64_t sequence, PartitionShare share) override;
  Result<Offsets> offsets_at(LogName log, Timestamp time) override;
  Result<Trimmed> trim(LogName log, const TrimLimits& limits) override;  // record by record
  Offsets begin(LogName log) const override;
  Offsets end(LogName log) const override;
  std::uint64_t next_sequence(LogName log) const override;
  std::uint64_t bytes(LogName log) const override;
  std::size_t pending_bytes() const override;
  std::optional<Error> failure() const override;
  void close() override;

 private:
  class MemoryReader;
  using Record = std::shared_ptr<const StoredRecord>;

  struct One {
    std::deque<Record> records;
    std::uint64_t first_sequence = 0;
    Offsets begin;
    Offsets end;
    std::uint64_t bytes = 0;
  };
  struct Pending {
    LogName log;
    LogRecord record;
    AppendDone done;
  };

  One& one(LogName log) { return log == LogName::captured ? captured_ : events_; }
  const One& one(LogName log) const { return log == LogName::captured ? captured_ : events_; }
  void settle_pending();
  Appended store(LogName log, LogRecord record);  // with mutex_ held

  const Clock& clock_;
  const int partitions_;
  mutable std::mutex mutex_;
  std::condition_variable grown_;  // with mutex_
  // All guarded by mutex_.
  One captured_;
  One events_;
  std::deque<Pending> pending_;
  std::deque<Error> read_failures_;
  std::optional<std::pair<std::uint64_t, Error>> damaged_;  // a record of events
  std::optional<Error> failure_;
  std::optional<Error> refusal_;
  bool corked_ = false;
  bool closed_ = false;
  bool settling_ = false;  // one thread answers at a time, so answers keep the order
};

}  // namespace penstock::fakes
