#pragma once
// The one thread that writes one log. Takes everything that is queued, writes it, syncs once, makes it visible to readers,
// and answers in the order of the sequence.
//
// How a write can fail, and what follows:
//   * a record that cannot be stored (too large, not a chunk) fails alone;
//   * no room, or the disk refuses a write: the file is cut back to its last good end, the group fails as `unavailable`, and
//     so does everything queued before the last of those answers was given. Hence a caller whose append failed knows that
//     what it appended after it, and before it heard, failed too: its records never change places. Later appends try again
//     (one that follows at once may still be refused with the others);
//   * a failed sync, or a failed cut: nothing can be promised any more. The failure stays, for this log and the other.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "connectors/logs/local/recovery.h"
#include "connectors/logs/local/segment_table.h"
#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/log/record_format.h"

namespace penstock::logs::local {

// Why durability cannot be promised any more; the first reason stays. Thread-safe, shared by both logs.
class Failure {
 public:
  void set(Error error);
  std::optional<Error> get() const;

 private:
  std::atomic<bool> is_set_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

class LogWriter {
 public:
  struct Options {
    LogName log = LogName::captured;
    Bytes segment_bytes = 64_MiB;  // a segment that has reached it is followed by a new one
    Bytes group_max = 32_MiB;  // of queued records written at once; always at least one
    bool own_thread = true;  // false: nothing is written but by write_queued and close, on their callers' threads
  };

  // Starts the thread, if it is to have one. References outlive it. `recovered` gives the file and where the log stands.
  LogWriter(Options options, Disk& disk, const Clock& clock, SegmentTable& table, Failure& failure,
            std::atomic<std::size_t>& pending_bytes, Recovered recovered);
  ~LogWriter();

  // Thread-safe, returns at once. `done` is called from the writer's thread; after close() from the caller's, `stopped`.
  void append(Result<log_format::PreparedRecord> record, AppendDone done);

  // Writes and answers one group of what is queued. False: there was nothing. For a writer without a thread; one caller at
  // a time.
  bool write_queued();
  std::size_t queued();  // appends that nobody has begun to write
  // Why the newest group was refused for now; nullopt once one is written again. Thread-safe.
  std::optional<Error> refusal() const;

  // Finishes what is queued and joins. Thread-safe, may be called again.
  void close();

 private:
  struct Waiting {
    Result<log_format::PreparedRecord> record;
    AppendDone done;
    std::size_t bytes = 0;
    Appended appended;
  };
  using Group = std::vector<Waiting>;

  void run();
  Group take_group(bool wait);
  void commit(Group group);
  Result<void> write(Group& group);
  Result<void> put_on_disk();
  Result<void> roll_if_full();
  Result<void> cut_back(const Error& why);
  Error sticky(Error error);
  void note(const Result<void>& written);
  void answer(Group& group, const std::optional<Error>& error);

  const Options options_;
  Disk& disk_;
  const Clock& clock_;
  SegmentTable& table_;
  Failure& failure_;
  std::atomic<std::size_t>& pending_bytes_;

  mutable std::mutex mutex_;
  std::condition_variable filled_;  // with mutex_
  std::deque<Waiting> queue_;  // guarded by mutex_
  bool closed_ = false;  // guarded by mutex_
  std::optional<Error> refusal_;  // guarded by mutex_
  std::mutex join_mutex_;

  // The writer's thread only.
  std::unique_ptr<AppendFile> file_;
  std::uint64_t segment_ = 0;  // first sequence of the segment being written
  std::uint64_t durable_bytes_ = 0;  // of that segment
  std::uint64_t next_sequence_ = 0;
  Offsets next_;
  Timestamp last_append_;
  std::uint64_t last_indexed_ = 0;  // position of the newest index entry; 0: none in this segment
  std::vector<log_format::IndexEntry> new_entries_;
  std::string buffer_;

  std::thread thread_;  // if it has one
};

}  // namespace penstock::logs::local
