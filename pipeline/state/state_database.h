#pragma once
// The RocksDB under the derived state: its families, keys and values. Included by this folder's .cc files only, because it
// brings RocksDB's headers.
//
//   default     "standing": version 1, next sequence, chain version, time from which the state is complete
//   positions   source, input partition → position
//   dead        pipeline/dead/dead_letter_table.h
//   state       table, key → time of expiry, value

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/database/disk_trouble.h"
#include "pipeline/ports/log.h"

namespace penstock::state {

enum Family : std::size_t { kMeta, kPositions, kDead, kTables };

// What every database of the state is opened in.
struct Surroundings {
  const Clock& clock;
  rocksdb::Env* env = nullptr;  // null: the machine's
};

struct Database {
  std::unique_ptr<rocksdb::CompactionFilter> expired_rows;  // outlives the database
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::shared_ptr<database::DiskTrouble> trouble;  // null: it was opened to be read
  std::unique_ptr<rocksdb::DB> db;

  Database() = default;
  Database(Database&&) noexcept = default;
  Database& operator=(Database&& other) noexcept {
    std::swap(expired_rows, other.expired_rows);
    std::swap(families, other.families);
    std::swap(trouble, other.trouble);
    std::swap(db, other.db);
    return *this;
  }
  ~Database() {
    if (!db) return;
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  }
};

// How long a row of a table is kept after it has expired: the clock of whoever reads it may be behind ours by less than that.
inline constexpr Duration kExpiredKept{3'600'000};

// Without a log of its own; a flush makes all families durable together. Compaction removes expired rows by the clock. What the
// medium refuses later is told to `trouble`; null: to one of its own. `around` outlives the database.
Result<Database> open_database(const std::string& folder, const Surroundings& around,
                               std::shared_ptr<database::DiskTrouble> trouble = nullptr);
// Changes nothing in the folder. corrupt: it is damaged, or none.
Result<Database> open_read_only(const std::string& folder, const Surroundings& around);
// Returns when all that was written is durable. unavailable: there is no room now.
Result<void> flush(const Database& database);
// Reads every block, and compares its checksum.
Result<void> verify(const Database& database);

// The database as it stands, in a folder that must not exist: hard links to what never changes, copies on another file system.
// Flushes first. Durable when it returns; a kill meanwhile leaves nothing under that name.
Result<void> copy_database(const Database& database, const std::string& to);

Result<std::optional<std::string>> get(const Database& database, Family family, std::string_view key);
Result<void> write(Database& database, rocksdb::WriteBatch& batch);

std::unexpected<Error> failed(std::string_view what, const rocksdb::Status& status);

// Two texts as one key; the first has its length before it, so that no pair collides and one prefix lists all of the first.
std::string pair_key(std::string_view first, std::string_view second);

// Where the state stands; changes with every record, in the same write.
struct Standing {
  std::uint64_t next_sequence = 0;
  std::uint64_t chain_version = 0;
  std::int64_t complete_from_ms = 0;  // 0: from the beginning
};
inline constexpr std::string_view kStanding = "standing";
std::string encode(const Standing& standing);
// That of a new state when there is none. conflict: a newer program's.
Result<Standing> read_standing(const Database& database, const std::string& folder);
// Of all input partitions of that source.
Result<std::vector<SourcePosition>> read_positions(const Database& database, std::string_view source);

// What the tables keep of a change.
std::string encode_value(const StateChange& change);
Result<StateValue> decode_value(std::string_view stored);

}  // namespace penstock::state
