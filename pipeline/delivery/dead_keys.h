#pragma once
// Which keys of order (order_key.h) have dead letters at a destination, and which of these letters is the first in the log: for
// `on_dead: block`. One column family of the delivery store, kept for all letters, so that the setting may change.
//
// Key: destination, zero byte, order key, partition, offset, id of the letter. Value: one byte, whether it only waits behind
// another. Changes go into the owner's WriteBatch. Thread-safe; database and family must outlive it. Errors: io or corrupt.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/delivery/order_key.h"
#include "pipeline/event/dead_letter.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace penstock::delivery {

// The code of a dead letter that no destination has refused: an earlier event of its key is one.
inline constexpr std::string_view kBehindDead = "behind_dead";

// Partition and offset of a letter's event, as bytes in the order of the log.
std::string log_place(std::int32_t partition, std::uint64_t offset);
std::string log_place(const DeadLetter& letter);
std::uint64_t offset_of_place(std::string_view place);
inline constexpr std::size_t kLogPlaceBytes = 12;

class DeadKeys {
 public:
  DeadKeys(rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family) : database_(database), family_(family) {}

  // Nothing for a letter without a key.
  void put(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id);
  void remove(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id);
  Result<bool> has(const DeadLetter& letter, std::string_view id) const;

  // The keys of one destination that have letters.
  Result<std::vector<FirstDead>> firsts(std::string_view destination) const;

  // Of the first letters of so many keys at most, the id of the one that was received first; empty: there is none.
  Result<std::string> oldest_first(std::string_view destination, std::size_t keys) const;

  struct Entry {
    std::string place_and_id;
    bool behind = false;
    std::string_view id() const { return std::string_view(place_and_id).substr(kLogPlaceBytes); }
  };
  // The first ones of a key in the order of the log, `limit` at most.
  Result<std::vector<Entry>> first(std::string_view destination, OrderKey key, std::size_t limit) const;
  // The same, and remembers where the first one stands: RocksDB steps over all that were removed before it. Not while a batch that
  // puts letters of this destination is not yet written.
  Result<std::vector<Entry>> first_to_release(std::string_view destination, OrderKey key, std::size_t limit);
  void remove(rocksdb::WriteBatch& batch, std::string_view destination, OrderKey key, const Entry& entry);

 private:
  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle& family_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string>
      begins_;  // by destination and key: no row of it is before this one; under mutex_
};

}  // namespace penstock::delivery
