#pragma once
// Dead letters as keyed storage: one column family of a RocksDB that somebody else owns. Ingest's letters live in the
// derived state, each destination's in delivery's own store; both are this table.
//
// The key is dead_letter_id(), so a listing is in order of time and the same letter put twice stands once. Changes go into
// the owner's WriteBatch and become true when the owner writes it, together with whatever else must be true with them.
// Thread-safe; database and column family must outlive it. An error is of kind io or corrupt.

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/dead_letter.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace penstock::dead {

// Empty and zero mean "any".
struct Filter {
  std::string stage;  // "ingest" or a destination
  std::string code;
  Timestamp since;    // by receipt
};

enum class Order : std::uint8_t { newest_first, oldest_first };

// Ends at either bound, but has one letter at least if there is one: only an empty page means that there are no more.
struct Page {
  std::size_t limit = 100;
  std::size_t bytes = 16 << 20;  // of bodies that are kept
  std::string after;  // the id of the last letter of the page before; empty: from the start
  Order order = Order::newest_first;
  bool bodies = true;  // false: letters come without, for whoever only shows what there is
};

struct Listed {
  std::string id;
  DeadLetter letter;
  std::uint64_t body_bytes = 0;  // also of a body that was left out
};

// Whether the page had no room for more: there may be some.
bool fills(const std::vector<Listed>& letters, const Page& page);

class DeadLetterTable {
 public:
  DeadLetterTable(rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family);

  // Returns the letter's id.
  Result<std::string> put(rocksdb::WriteBatch& batch, const DeadLetter& letter);
  Result<void> remove(rocksdb::WriteBatch& batch, std::string_view id);

  // not_found when there is no such letter.
  Result<DeadLetter> get(std::string_view id) const;
  // Sees one moment of the table, whatever is written meanwhile. Reads the letters it passes over, too.
  Result<std::vector<Listed>> list(const Filter& filter, const Page& page) const;
  // Exact, by reading every letter since `filter.since`: for a person who asks, not for a gauge.
  Result<std::uint64_t> count(const Filter& filter) const;

 private:
  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle& family_;
};

// The table of a database that may be closed and opened again: for one call, `store.dead_letters().get(id)`, during which it
// stays open. Not while the thread holds the database already.
class HeldDeadLetters {
 public:
  HeldDeadLetters(std::shared_lock<std::shared_mutex> held, const DeadLetterTable& table)
      : held_(std::move(held)), table_(&table) {}
  // Of a database that is not there.
  explicit HeldDeadLetters(Error missing) : missing_(std::move(missing)) {}

  Result<DeadLetter> get(std::string_view id) const {
    if (table_ == nullptr) return fail(missing_);
    return table_->get(id);
  }
  Result<std::vector<Listed>> list(const Filter& filter, const Page& page) const {
    if (table_ == nullptr) return fail(missing_);
    return table_->list(filter, page);
  }
  Result<std::uint64_t> count(const Filter& filter) const {
    if (table_ == nullptr) return fail(missing_);
    return table_->count(filter);
  }

 private:
  std::shared_lock<std::shared_mutex> held_;
  const DeadLetterTable* table_ = nullptr;
  Error missing_;
};

}  // namespace penstock::dead
