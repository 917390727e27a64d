#include "pipeline/dead/dead_letter_table.h"

#include <doctest/doctest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>

namespace penstock::dead {
namespace {

struct Database {
  Database() {
    char pattern[] = "/tmp/penstock-dead-XXXXXX";
    folder = mkdtemp(pattern);
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    REQUIRE(rocksdb::DB::Open(options, folder, &opened).ok());
    db.reset(opened);
  }
  ~Database() {
    db.reset();
    std::filesystem::remove_all(folder);
  }

  void put(const DeadLetter& letter) {
    rocksdb::WriteBatch batch;
    REQUIRE(table().put(batch, letter).has_value());
    REQUIRE(db->Write({}, &batch).ok());
  }
  DeadLetterTable table() { return {*db, *db->DefaultColumnFamily()}; }

  std::string folder;
  std::unique_ptr<rocksdb::DB> db;
};

DeadLetter letter(std::int64_t died_ms, const std::string& stage, const std::string& code) {
  DeadLetter made;
  made.uuid = Uuid::v5({}, std::to_string(died_ms) + stage + code);
  made.stage = stage;
  made.code = code;
  made.reason = "it could not go on";
  made.received_at = made.last_at = Timestamp{died_ms};
  made.body = R"({"event":"signup"})";
  return made;
}

std::string died(const Result<std::vector<Listed>>& listed) {
  std::string text;
  REQUIRE(listed.has_value());
  for (const auto& row : *listed) text += std::to_string(row.letter.last_at.ms % 1000) + " ";
  return text;
}

constexpr std::int64_t kT = 1'760'000'000'000;

}  // namespace

TEST_CASE("a letter is found by its id, and not after it was removed") {
  Database database;
  const auto put = letter(kT, "crm", "http_400");
  database.put(put);
  database.put(put);
  const auto id = dead_letter_id(put);
  CHECK(database.table().get(id).value() == put);
  CHECK(database.table().count({}).value() == 1);

  rocksdb::WriteBatch batch;
  REQUIRE(database.table().remove(batch, id).has_value());
  REQUIRE(database.db->Write({}, &batch).ok());
  CHECK(database.table().get(id).error().kind == ErrorKind::not_found);
}

TEST_CASE("a listing is filtered, in order of time, and goes on where the last page ended") {
  Database database;
  for (int i = 1; i <= 6; ++i) database.put(letter(kT + i, i % 2 ? "crm" : "ingest", i < 4 ? "http_400" : "app_error"));
  auto table = database.table();

  CHECK(died(table.list({}, {})) == "6 5 4 3 2 1 ");
  CHECK(died(table.list({}, {.limit = 100, .after = {}, .order = Order::oldest_first})) == "1 2 3 4 5 6 ");
  CHECK(died(table.list({.stage = "crm", .code = {}, .since = {}}, {})) == "5 3 1 ");
  CHECK(died(table.list({.stage = "crm", .code = "http_400", .since = {}}, {})) == "3 1 ");
  CHECK(died(table.list({.stage = {}, .code = {}, .since = {kT + 4}}, {})) == "6 5 4 ");
  CHECK(table.count({.stage = "ingest", .code = {}, .since = {kT + 4}}).value() == 2);

  for (const auto order : {Order::newest_first, Order::oldest_first}) {
    std::string all;
    Page page{.limit = 2, .after = {}, .order = order};
    for (;;) {
      const auto rows = table.list({}, page);
      all += died(rows);
      if (rows->size() < page.limit) break;
      page.after = rows->back().id;
    }
    CHECK(all == (order == Order::newest_first ? "6 5 4 3 2 1 " : "1 2 3 4 5 6 "));
  }
}

TEST_CASE("a page ends at its bytes too, and the next one goes on there") {
  Database database;
  for (int i = 0; i < 5; ++i) {
    DeadLetter large = letter(kT + i, "crm", "rejected");
    large.body = std::string(1000, 'x');
    database.put(large);
  }
  Page page{.limit = 100, .bytes = 1500, .after = {}, .order = Order::oldest_first};
  std::vector<std::size_t> pages;
  for (;;) {
    const auto listed = database.table().list({}, page).value();
    if (listed.empty()) break;
    CHECK(fills(listed, page) == (listed.size() == 2));
    pages.push_back(listed.size());
    page.after = listed.back().id;
  }
  CHECK(pages == std::vector<std::size_t>{2, 2, 1});
  page = {.limit = 100, .bytes = 1, .after = {}, .order = Order::oldest_first};
  CHECK(database.table().list({}, page).value().size() == 1);
}

TEST_CASE("a page without bodies has as many letters as it may, and says how large they are") {
  Database database;
  for (int i = 0; i < 5; ++i) {
    DeadLetter large = letter(kT + i, "crm", "rejected");
    large.body = std::string(1000, 'x');
    database.put(large);
  }
  const Page page{.limit = 4, .bytes = 1500, .after = {}, .bodies = false};
  const auto listed = database.table().list({}, page).value();
  REQUIRE(listed.size() == 4);
  CHECK(listed[0].letter.body.empty());
  CHECK(listed[0].body_bytes == 1000);
  CHECK(fills(listed, page));
}

TEST_CASE("damaged bytes are an error that names the letter") {
  Database database;
  REQUIRE(database.db->Put({}, "1760000000000-x", "\x7fnonsense").ok());
  const auto listed = database.table().list({}, {});
  REQUIRE_FALSE(listed.has_value());
  CHECK(listed.error().message.find("1760000000000-x") != std::string::npos);
}

}  // namespace penstock::dead
