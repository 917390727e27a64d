#pragma once
// The RocksDB behind DeliveryStore: its families, its schema, and what becomes of it on a full disk. Inside this folder, .cc files
// only, because it brings RocksDB's headers.

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/database/disk_trouble.h"
#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/delivery/buried_places.h"
#include "pipeline/delivery/dead_keys.h"
#include "pipeline/delivery/delivery_store.h"

namespace penstock::delivery {

inline constexpr auto kCursors = "cursors";
inline constexpr auto kDead = "dead";
// Destination, zero byte, place in the log, id of a letter that is wanted again → nothing.
inline constexpr auto kWanted = "wanted";
inline constexpr auto kKeys = "keys";  // dead_keys.h
inline constexpr auto kBuried = "buried";  // buried_places.h
inline constexpr auto kReplays = "replays";

inline std::string wanted_prefix(std::string_view destination) {
  std::string key(destination);
  key.push_back('\0');
  return key;
}

inline std::string wanted_key(const DeadLetter& letter, std::string_view id) {
  return wanted_prefix(letter.stage).append(log_place(letter)).append(id);
}

// What is in it, and what goes on without.
std::string if_damaged(const std::string& folder);

struct DeliveryDatabase {
  DeliveryDatabase(std::string data, const Clock& time, rocksdb::Env* stands_on)
      : folder(std::move(data)), clock(time), env(stands_on),
        trouble(std::make_shared<database::DiskTrouble>("delivery", "delivery's store in " + folder, if_damaged(folder))) {
    trouble->goes_on_uncompacted();
  }
  ~DeliveryDatabase() { close(); }
  DeliveryDatabase(const DeliveryDatabase&) = delete;
  DeliveryDatabase& operator=(const DeliveryDatabase&) = delete;

  Result<void> open();
  // Changes nothing in the folder; then only `verify` may be called.
  Result<void> open_to_verify();
  // Reads every block, and compares its checksum.
  Result<void> verify() const;
  // Of a row that is wanted while the store is in use: only who wanted it is told.
  std::unexpected<Error> unread(const rocksdb::Status& status) const {
    return fail(database::reading_error("read " + folder, status));
  }
  // "read data/delivery: <what RocksDB says>", and when it is damaged, what was in it and what goes on.
  std::unexpected<Error> failed(std::string_view what, const rocksdb::Status& status) const;
  void close() {
    dead.reset();
    keys.reset();
    buried.reset();
    for (auto* each : families) db->DestroyColumnFamilyHandle(each);
    families.clear();
    db.reset();
  }
  // What is written afterwards finds a database that takes it, if there is room.
  Result<database::DiskTrouble::Held> hold_to_write();

  rocksdb::ColumnFamilyHandle* family(std::string_view name) const {
    const auto it = std::ranges::find_if(families, [&](auto* each) { return each->GetName() == name; });
    return it == families.end() ? nullptr : *it;
  }
  Result<void> write(rocksdb::WriteBatch& batch, Sync sync);
  Result<void> check_schema(bool had_tables);
  Result<void> write_schema_version();
  Result<void> upgrade();

  const std::string folder;
  const Clock& clock;
  rocksdb::Env* const env;
  const std::shared_ptr<database::DiskTrouble> trouble;
  // Touched by who holds `trouble`.
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::unique_ptr<dead::DeadLetterTable> dead;
  std::unique_ptr<DeadKeys> keys;
  std::unique_ptr<BuriedPlaces> buried;
};

}  // namespace penstock::delivery
