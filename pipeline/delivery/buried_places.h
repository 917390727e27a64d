#pragma once
// Which events became dead letters before the stored cursor of their destination had passed them. Whoever reads such an event again,
// after a crash, need not send it: its letter is durable, and was perhaps delivered, or discarded, since; and what followed it may
// have gone. One column family of the delivery store.
//
// Key: destination, zero byte, partition, offset, id of the letter (the log may have lost its end, and the offset be another event's).
// Value: nothing. Changes go into the owner's WriteBatch. Thread-safe; database and family must outlive it. Errors: io or corrupt.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/base/result.h"
#include "pipeline/event/dead_letter.h"
#include "pipeline/ports/log.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace penstock::delivery {

class BuriedPlaces {
 public:
  BuriedPlaces(rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family) : database_(database), family_(family) {}

  void put(rocksdb::WriteBatch& batch, const DeadLetter& letter, std::string_view id);
  // The cursor that is stored with the batch has passed those before it. What of them cannot be read stays.
  void pass(rocksdb::WriteBatch& batch, std::string_view destination, const Offsets& cursor);
  void forget(rocksdb::WriteBatch& batch, std::string_view destination);

  // Of each partition the offset after the last; 0: it has none.
  Result<Offsets> ends(std::string_view destination, std::size_t partitions) const;
  Result<bool> has(const DeadLetter& letter, std::string_view id) const;

 private:
  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle& family_;
  std::mutex mutex_;
  // By destination, the cursor that passed last: RocksDB steps over all that was removed before it. Under mutex_.
  std::unordered_map<std::string, Offsets> passed_;
};

}  // namespace penstock::delivery
