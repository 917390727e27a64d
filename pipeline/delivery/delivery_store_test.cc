#include "pipeline/delivery/delivery_store.h"

#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

std::unique_ptr<DeliveryStore> open(const TemporaryFolder& folder, const Clock& clock) {
  return DeliveryStore::open(folder.path(), clock).value();
}

}  // namespace

TEST_CASE("cursors and dead letters are there after opening again") {
  const TemporaryFolder folder;
  fakes::ManualClock clock;
  DeadLetter letter;
  letter.stage = "crm";
  letter.last_at = clock.now();
  {
    auto store = open(folder, clock);
    CHECK_FALSE(store->cursor("crm").value().has_value());
    REQUIRE(store->save_cursor("crm", {1, 0, 1ULL << 40}, Sync::no).has_value());
    clock.advance(Duration{5000});
    REQUIRE(store->save_cursor("file", {2, 2, 2}, Sync::no).has_value());
    REQUIRE(store->bury(std::vector{letter}).has_value());
  }
  auto store = open(folder, clock);
  const auto cursors = store->cursors().value();
  REQUIRE(cursors.size() == 2);
  CHECK(cursors[0].destination == "crm");
  CHECK(cursors[0].next == Offsets{1, 0, 1ULL << 40});
  CHECK(cursors[0].seen_at.ms == cursors[1].seen_at.ms - 5000);
  const auto id = dead_letter_id(letter);
  CHECK(store->dead_letters().get(id).value() == letter);

  REQUIRE(store->discard(std::vector{id, std::string("no such letter")}).has_value());
  REQUIRE(store->forget_cursor("crm").has_value());
  CHECK(store->dead_letters().count({}).value() == 0);
  CHECK(store->cursors().value().size() == 1);
}

TEST_CASE("a folder of version 1 is taken over: what was wanted is wanted, and keys have their letters") {
  const TemporaryFolder folder;
  const fakes::ManualClock clock;
  DeadLetter letter;
  letter.stage = "crm";
  letter.distinct_id = "u1";
  DeadLetter unwanted = letter;
  unwanted.uuid.bytes[0] = 1;
  {
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (const auto* name : {"default", "cursors", "dead", "again", "replays"})
      wanted.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::Options options;
    options.create_if_missing = options.create_missing_column_families = true;
    rocksdb::DB* opened = nullptr;
    REQUIRE(rocksdb::DB::Open(options, folder.path(), wanted, &families, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    REQUIRE(db->Put({}, "schema", std::string("\x01\0\0\0", 4)).ok());
    for (const auto& each : {letter, unwanted}) {
      std::string stored;
      encode(each, stored);
      REQUIRE(db->Put({}, families[2], dead_letter_id(each), stored).ok());
    }
    REQUIRE(db->Put({}, families[2], "0000000000001-unreadable", "?").ok());
    REQUIRE(db->Put({}, families[3], std::string("crm\0", 4) + dead_letter_id(letter), "").ok());
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  }
  for (int i = 0; i < 2; ++i) {
    const auto store = open(folder, clock);
    const auto wanted = store->wanted("crm", 10).value();
    REQUIRE(wanted.size() == 1);
    CHECK(wanted[0].letter == letter);
    CHECK(store->dead_keys("crm").value().size() == 1);
  }
}

TEST_CASE("wanted letters come in the order of the log, whatever their ids") {
  const TemporaryFolder folder;
  const fakes::ManualClock clock;
  const auto store = open(folder, clock);
  std::vector<DeadLetter> letters(300);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    letters[i].stage = "crm";
    letters[i].offset = i;
    letters[i].uuid.bytes[0] = static_cast<std::uint8_t>(i * 37);
    letters[i].uuid.bytes[1] = static_cast<std::uint8_t>(i >> 8);
  }
  REQUIRE(store->bury(letters).has_value());
  REQUIRE(store->want_again(dead::Filter{}).value() == letters.size());
  const auto wanted = store->wanted("crm", letters.size()).value();
  REQUIRE(wanted.size() == letters.size());
  for (std::size_t i = 0; i < letters.size(); ++i) CHECK(wanted[i].letter.offset == i);
  // One that comes from the log once more is wanted as before; one that was sent again is not.
  REQUIRE(store->bury(std::span(letters).first(3)).has_value());
  CHECK(store->count_wanted("crm", 1000).value() == 300);
  REQUIRE(store->bury(std::span(letters).first(3), Sent::again).has_value());
  CHECK(store->count_wanted("crm", 1000).value() == 297);
}

TEST_CASE("a folder of a newer program is refused, and both versions are named") {
  const TemporaryFolder folder;
  const fakes::ManualClock clock;
  open(folder, clock);
  {
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (const auto* name : {"default", "cursors", "dead", "wanted", "keys", "replays", "lanes"})
      wanted.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::Options options;
    options.create_missing_column_families = true;
    rocksdb::DB* opened = nullptr;
    REQUIRE(rocksdb::DB::Open(options, folder.path(), wanted, &families, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    REQUIRE(db->Put({}, "schema", std::string("\x09\0\0\0", 4)).ok());
    for (auto* family : families) db->DestroyColumnFamilyHandle(family);
  }
  const auto again = DeliveryStore::open(folder.path(), clock);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().kind == ErrorKind::conflict);
  CHECK(again.error().message.find("has schema version 9, but this program knows only up to version 2") !=
        std::string::npos);
}

TEST_CASE("a folder that cannot be made is an error that names it") {
  const fakes::ManualClock clock;
  const auto opened = DeliveryStore::open("/proc/penstock/delivery", clock);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().message.find("/proc/penstock/delivery") != std::string::npos);
}

}  // namespace penstock::delivery
