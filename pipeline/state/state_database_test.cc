// What compaction takes out of the tables.

#include "pipeline/state/state_database.h"

#include <doctest/doctest.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <filesystem>

#include "tests/fakes/manual_clock.h"

namespace penstock::state {
namespace {

void put(Database& database, std::string_view key, Timestamp expires_at) {
  rocksdb::WriteBatch batch;
  batch.Put(database.families[kTables], rocksdb::Slice(key.data(), key.size()),
            encode_value({.table = {}, .key = {}, .value = "v", .removed = false, .expires_at = expires_at}));
  REQUIRE(write(database, batch).has_value());
}

}  // namespace

TEST_CASE("compaction removes rows some time after they expired, and no others") {
  fakes::ManualClock clock;
  std::string folder = (std::filesystem::temp_directory_path() / "penstock-state-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  {
    auto opened = open_database(folder, {clock});
    REQUIRE(opened.has_value());
    Database& database = *opened;
    const Timestamp now = clock.now();
    put(database, "never", {});
    put(database, "later", {now.ms + 1});
    put(database, "just now", {now.ms - 1});
    put(database, "within the margin", {now.ms - kExpiredKept.count()});
    put(database, "beyond it", {now.ms - kExpiredKept.count() - 1});
    put(database, "renewed", {now.ms - kExpiredKept.count() - 1});
    rocksdb::WriteBatch damaged;
    damaged.Put(database.families[kTables], "damaged", "");
    REQUIRE(write(database, damaged).has_value());
    REQUIRE(database.db->Flush(rocksdb::FlushOptions(), database.families).ok());
    put(database, "renewed", {now.ms + 1});
    REQUIRE(database.db->Flush(rocksdb::FlushOptions(), database.families).ok());

    rocksdb::CompactRangeOptions everything;
    everything.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    REQUIRE(database.db->CompactRange(everything, database.families[kTables], nullptr, nullptr).ok());
    const auto there = [&](std::string_view key) { return get(database, kTables, key).value().has_value(); };
    for (const char* kept : {"never", "later", "just now", "within the margin", "renewed", "damaged"}) {
      CAPTURE(kept);
      CHECK(there(kept));
    }
    CHECK_FALSE(there("beyond it"));
    clock.advance(kExpiredKept + Duration(2));
    REQUIRE(database.db->CompactRange(everything, database.families[kTables], nullptr, nullptr).ok());
    CHECK_FALSE(there("later"));
    CHECK_FALSE(there("renewed"));
    CHECK(there("never"));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace penstock::state
