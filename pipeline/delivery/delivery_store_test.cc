#include "pipeline/delivery/delivery_store.h"

#include <doctest/doctest.h>
#include <rocksdb/db.h>
#include <rocksdb/perf_context.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "pipeline/delivery/dead_keys.h"
#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

std::unique_ptr<DeliveryStore> open(const TemporaryFolder& folder, const Clock& clock) {
  return DeliveryStore::open(folder.path(), clock).value();
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void set_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << bytes;
  REQUIRE(out.flush());
}

std::filesystem::path write_ahead_log(const TemporaryFolder& folder) {
  std::filesystem::path found;
  for (const auto& file : std::filesystem::directory_iterator(folder.path()))
    if (file.path().extension() == ".log") found = file.path();
  REQUIRE_FALSE(found.empty());
  return found;
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
    const auto wanted = store->wanted("crm", 10).value().letters;
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
  const auto wanted = store->wanted("crm", letters.size()).value().letters;
  REQUIRE(wanted.size() == letters.size());
  for (std::size_t i = 0; i < letters.size(); ++i) CHECK(wanted[i].letter.offset == i);
  // One that comes from the log once more is wanted as before; one that was sent again is not.
  REQUIRE(store->bury(std::span(letters).first(3)).has_value());
  CHECK(store->count_wanted("crm", 1000).value() == 300);
  REQUIRE(store->bury(std::span(letters).first(3), Sent::again).has_value());
  CHECK(store->count_wanted("crm", 1000).value() == 297);
}

TEST_CASE("what waits behind a dead letter goes without a look at all that went before") {
  const TemporaryFolder folder;
  fakes::ManualClock clock;
  auto store = open(folder, clock);
  std::vector<DeadLetter> letters(100);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    letters[i].stage = "crm";
    letters[i].uuid.bytes[0] = static_cast<std::uint8_t>(i);
    letters[i].distinct_id = "user";
    letters[i].code = kBehindDead;
    letters[i].offset = 100 + i;
    ids.push_back(dead_letter_id(letters[i]));
  }
  const std::vector<OrderKey> keys{key_of(letters[0])};
  REQUIRE(keys[0] != 0);
  REQUIRE(store->bury(letters).has_value());
  std::uint64_t looked_at = 0;
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  for (const auto& id : ids) {
    REQUIRE(store->discard(std::vector{id}).has_value());
    rocksdb::get_perf_context()->Reset();
    REQUIRE(store->release("crm", keys).has_value());
    looked_at += rocksdb::get_perf_context()->internal_delete_skipped_count;
    if (id == ids[97]) break;
  }
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  CHECK(looked_at < 1000);  // of 4900, if each began at the first

  DeadLetter earlier = letters[0];  // sent by a replay of the log, and refused
  earlier.uuid.bytes[0] = 200;
  earlier.code = "http_400";
  earlier.offset = 7;
  REQUIRE(store->bury(std::vector{earlier}).has_value());
  CHECK(store->first_of("crm", keys[0], 3).value() == std::vector{dead_letter_id(earlier), ids[98], ids[99]});
  REQUIRE(store->release("crm", keys).has_value());
  CHECK(store->first_of("crm", keys[0], 1).value() == std::vector{dead_letter_id(earlier)});
}

TEST_CASE("a key that many letters were of is released once, not once for each of them") {
  const TemporaryFolder folder;
  fakes::ManualClock clock;
  auto store = open(folder, clock);
  std::vector<DeadLetter> letters(100);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    letters[i].stage = "crm";
    letters[i].uuid.bytes[0] = static_cast<std::uint8_t>(i);
    letters[i].distinct_id = "user";
    letters[i].code = kBehindDead;
    letters[i].offset = i;
  }
  REQUIRE(store->bury(letters).has_value());
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  REQUIRE(store->release("crm", std::vector(100, key_of(letters[0]))).value().wanted);
  const auto looked_at = rocksdb::get_perf_context()->next_on_memtable_count;
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  CHECK(looked_at < 1000);  // of 10,000, if each of the letters that went had all looked at that are behind them
  CHECK(store->count_wanted("crm", 1000).value() == 100);
}

TEST_CASE("a letter that goes while somebody wants all of them again is not wanted for ever") {
  const TemporaryFolder folder;
  fakes::ManualClock clock;
  auto store = open(folder, clock);
  std::vector<DeadLetter> letters(300);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    letters[i].stage = "crm";
    letters[i].uuid.bytes[0] = static_cast<std::uint8_t>(i);
    letters[i].uuid.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    letters[i].offset = i;
  }
  REQUIRE(store->bury(letters).has_value());
  std::thread wanting([&] {
    while (store->want_again(dead::Filter{}).value_or(0) > 0) {}
  });
  for (const auto& letter : letters) CHECK(store->discard(std::vector{dead_letter_id(letter)}).has_value());
  wanting.join();
  CHECK(store->count_wanted("crm", 1000).value() == 0);
}

TEST_CASE("a folder of a newer program is refused, and both versions are named") {
  const TemporaryFolder folder;
  const fakes::ManualClock clock;
  open(folder, clock);
  {
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (const auto* name : {"default", "cursors", "dead", "wanted", "keys", "buried", "replays", "lanes"})
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

TEST_CASE("a record that changed in the write-ahead log is refused; a log that ends anywhere is not") {
  const TemporaryFolder folder;
  const fakes::ManualClock clock;
  {
    auto store = open(folder, clock);
    for (std::uint64_t i = 1; i <= 4; ++i) REQUIRE(store->save_cursor("crm", {i}, Sync::yes).has_value());
  }
  // Opening writes the log anew, so each starts from a copy.
  const TemporaryFolder opened;
  const auto open_with = [&](const std::string& log) {
    std::filesystem::remove_all(opened.path());
    std::filesystem::copy(folder.path(), opened.path());
    set_bytes(std::filesystem::path(opened.path()) / write_ahead_log(folder).filename(), log);
    const auto verified = DeliveryStore::verify(opened.path(), clock);
    auto store = DeliveryStore::open(opened.path(), clock);
    CHECK(verified.has_value() == store.has_value());
    return store;
  };
  const std::string whole = bytes_of(write_ahead_log(folder));
  std::uint64_t before = 0;
  for (std::size_t size = 0; size <= whole.size();
       size = size == whole.size() ? size + 1 : std::min(size + 5, whole.size())) {
    CAPTURE(size);
    const auto store = open_with(whole.substr(0, size));
    REQUIRE_MESSAGE(store.has_value(), store.error().message);
    const auto cursor = (*store)->cursor("crm").value();
    CHECK((cursor ? cursor->next.at(0) : 0) >= before);
    before = cursor ? cursor->next.at(0) : 0;
  }
  CHECK(before == 4);
  // Of each record: checksum (4 bytes), length (2), type (1), content.
  int records = 0;
  for (std::size_t at = 0; at + 7 < whole.size(); ++records) {
    CAPTURE(at);
    std::string damaged = whole;
    damaged[at + 10] = static_cast<char>(damaged[at + 10] ^ 0x40);
    const auto store = open_with(damaged);
    REQUIRE_FALSE(store.has_value());
    CHECK(store.error().kind == ErrorKind::corrupt);
    CHECK(store.error().message.find("move " + opened.path() + " away") != std::string::npos);
    at += 7U + static_cast<unsigned char>(whole[at + 4]) + 256U * static_cast<unsigned char>(whole[at + 5]);
  }
  CHECK(records >= 5);
}

TEST_CASE("a folder that cannot be made is an error that names it") {
  const fakes::ManualClock clock;
  const auto opened = DeliveryStore::open("/proc/penstock/delivery", clock);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().message.find("/proc/penstock/delivery") != std::string::npos);
}

}  // namespace penstock::delivery
