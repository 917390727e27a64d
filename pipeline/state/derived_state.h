#pragma once
// What the log `events` implies: how far each source was read, ingest's dead letters, the tables that apps and
// de-duplication keep. All of it can be made again from the log, so it lives in a RocksDB without a log of its own, together
// with the sequence of the next record to apply: one write holds both, and one flush makes both durable. After kill -9 it
// stands at its last flush, and `open` applies what the log holds beyond. Now and then a checkpoint is put aside: the log may
// lose its beginning up to there, and the state can still be made again.
//
// One thread applies; any thread may ask, or let it recover, at any time. The log must outlive it. The folder belongs to it alone.

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/ports/log.h"
#include "pipeline/ports/state_view.h"

namespace rocksdb {
class Env;
}

namespace penstock {

struct StateOptions {
  std::string folder;  // DATA/state
  std::string checkpoints;  // DATA/checkpoints
  Duration checkpoint_every{3'600'000};
  rocksdb::Env* env = nullptr;  // what the database stands on; null: the machine's. Outlives the state
};

class DerivedState final : public StateView {
 public:
  // How many events may pass until a flush starts: the most that an open has to read again, about.
  static constexpr std::uint64_t kFlushEvents = 200'000;

  // Opens the folder, or makes it as state_origin.h says, and catches up with the log; reads on from its position, and tells
  // how far it is when that takes long. conflict: another process has it, or a newer program wrote it. corrupt: there is
  // nothing that it can be made from whole; the message says what to do.
  // Rows of tables are removed some time after they expired by `clock`. stopped: asked to by `stop`; what was applied until then is kept.
  static Result<std::unique_ptr<DerivedState>> open(StateOptions options, Log& log, const Clock& clock = system_clock(),
                                                    const std::stop_token& stop = {});

  // Reads all of a state that nobody has open, and changes nothing. corrupt: it is damaged.
  static Result<void> verify(const std::string& folder, const Clock& clock);

  // What a state or a checkpoint that nobody has open stands at, without what the log has beyond.
  struct Stored {
    std::uint64_t next_sequence = 0;
    std::vector<SourcePosition> positions;  // of all input partitions of that source
  };
  static Result<Stored> read_stored(const std::string& folder, std::string_view source, const Clock& clock);

  // Flushes.
  ~DerivedState() override;

  // Applies a record of `events` that is durable, in the order of the sequence; one that was applied before changes nothing.
  // An error (unavailable: no room, io, corrupt) stays, and is told once in the program's log: the state is behind then, and
  // complete again after `recover` or the next open. Waits for no disk.
  Result<void> apply(std::uint64_t sequence, const LogRecord& record);
  Result<void> apply(const StoredRecord& record);
  // After an error of apply, or a flush that found no room: opens the database again, and applies what the log holds beyond;
  // who applies waits meanwhile, and whoever asks waits while it is closed. Does nothing when there was none. unavailable: there is no room yet.
  Result<void> recover();
  // What no more can be written after: a sync that failed, a damaged file. The process must end; the next one reads what is
  // really there, and the log. Any thread.
  std::optional<Error> failure() const;

  // Of all input partitions of that source.
  Result<std::vector<SourcePosition>> positions_of(std::string_view source) const;
  // Of the newest record applied; 0: none yet.
  std::uint64_t chain_version() const;

  // Expired rows as well, until they are removed.
  Result<std::optional<StateValue>> value(std::string_view table, std::string_view key) const;
  // The row as of all that was given to apply: unavailable when that is not known, because apply or the disk failed. Any thread.
  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override;

  // Ingest's. Listing and showing, from any thread.
  dead::HeldDeadLetters dead_letters() const;
  // Takes letters out, durably: not in the log, so they would come back if the state had to be made again.
  Result<void> remove_dead_letters(const std::vector<std::string>& ids);

  // Everything before this record is applied; durable; in the newest checkpoint that opens (0: there is none), so that the log
  // may drop it.
  std::uint64_t next_sequence() const;
  std::uint64_t flushed_sequence() const;
  std::uint64_t checkpointed_sequence() const;
  // Set when the log had already lost records that were never applied: from when on the state is complete.
  std::optional<Timestamp> complete_from() const;

  // Returns when all that was applied is durable.
  Result<void> flush();

  // Takes a checkpoint, if anything was applied since the last. Waits for the disk; any thread; applying goes on meanwhile.
  Result<void> take_checkpoint();
  // The same once `checkpoint_every` has passed since the last, by the clock. Recovers first.
  Result<void> take_checkpoint_if_due();
  // Those that were found damaged, or know records that the log does not have. For whoever goes on with this state, before the
  // log grows: they must not come to fit it by and by.
  Result<void> remove_useless_checkpoints();
  // The database as it stands, into a folder that must not exist; durable when it returns. Any thread.
  Result<void> copy_to(const std::string& folder) const;

 private:
  struct Impl;
  explicit DerivedState(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock
