#pragma once
// What becomes of a RocksDB whose disk refuses. RocksDB takes no write any more after one of its own failed, in a caller's thread
// or in one of its own; this hears of it, tells it once in the program's log, and knows what may be done:
//
//   * no room: it waits. The owner calls `mend` now and then, and as soon as there is room the database is closed and opened again.
//   * a table that compaction finds damaged, where `goes_on_uncompacted` was said: nothing was lost by finding it, so the database
//     goes on and compacts nothing more until the next start, for compaction would meet it again and again. Whoever reads just what
//     is damaged gets an error.
//   * anything else, a sync that failed above all: final. What stands on the medium is only known after the next start, so
//     `failure` is a reason to end the process.
//
// RocksDB can resume by itself, but not so that it may be relied on: in 7.8 a database that has resumed says of every flush that it
// is done before it is, and with atomic flushes resuming may wait for ever. So it is never asked to; a new start is what is tested
// best. Included by .cc files of stores only, because it brings RocksDB's headers. Thread-safe.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include "pipeline/base/result.h"

namespace penstock::database {

class DiskTrouble final : public rocksdb::EventListener {
 public:
  using Held = std::shared_lock<std::shared_mutex>;

  // `component` is that of the program's log, `what` the database in words: "the state in data/state"; `if_damaged`, what to do
  // then, ends the sentence that says so.
  DiskTrouble(std::string component, std::string what, std::string if_damaged = "")
      : component_(std::move(component)), what_(std::move(what)), if_damaged_(std::move(if_damaged)) {}

  // Before it watches. Who says so calls `stop_compacting` now and then, while the database is held.
  void goes_on_uncompacted() { keeps_damage_ = true; }
  // Lets it listen to the database that is opened with these options.
  static void watch(rocksdb::DBOptions& options, std::shared_ptr<DiskTrouble> trouble);

  // While this is held the database stays open. Not twice in one thread. An error: it could not be opened again.
  Result<Held> hold() const;

  // What nothing can be promised after, for whoever ends the process.
  std::optional<Error> failure() const;
  // The damaged table that compaction met, of a database that goes on.
  std::optional<Error> damage() const;
  // Whether the database takes no writes now.
  bool refuses() const { return refuses_; }

  // Closes and opens the database, by `reopen`, if it takes no writes and there is room in its folder; waits until nobody holds
  // it. unavailable: there is no room yet. Any other error is final.
  Result<void> mend(rocksdb::Env& env, const std::string& folder, const std::function<Result<void>()>& reopen);

  // Has no table compacted any more, if one that is damaged was met.
  void stop_compacting(rocksdb::DB& database, const std::vector<rocksdb::ColumnFamilyHandle*>& families);

  // Of a call that failed: what was said to the caller, in case it was said to nobody else.
  void note(const rocksdb::Status& error);
  // Of a call that must not be tried again, whatever was said: a sync of what was written already.
  void note_final(const rocksdb::Status& error);
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error, bool* automatic) override;

 private:
  const std::string component_;
  const std::string what_;
  const std::string if_damaged_;
  bool keeps_damage_ = false;
  std::atomic<bool> compacts_ = true;
  mutable std::shared_mutex opened_;  // alone: closing and opening
  std::atomic<bool> refuses_ = false;
  std::atomic<bool> closing_ = false;  // what goes wrong now is of no interest
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::optional<Error> failure_;
  std::optional<Error> damage_;
  bool lost_ = false;  // it is closed for good
};

// For every opening of a database, instead of RocksDB's own file LOG: a line of that which finds no room ends the process (an
// assertion, which Debian's build of 7.8 has on).
std::shared_ptr<rocksdb::Logger> no_log();

// "<what>: <what RocksDB says>". unavailable: there is no room; corrupt; else io. Of a database that is in use: what is damaged is
// found by `penstock doctor --verify`, and the sentence says so.
Error reading_error(std::string_view what, const rocksdb::Status& status);
// The same without advice.
Error error_of(std::string_view what, const rocksdb::Status& status);
// The same of an opening, with what to do when there is no room.
Error opening_error(std::string_view what, const rocksdb::Status& status);

}  // namespace penstock::database
