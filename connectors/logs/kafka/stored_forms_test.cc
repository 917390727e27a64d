// What the log on Kafka writes into messages, and reads again.

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "connectors/logs/kafka/captured_record.h"
#include "connectors/logs/kafka/data_folder.h"
#include "connectors/logs/kafka/facts_header.h"
#include "connectors/logs/kafka/state_rows.h"
#include "connectors/logs/kafka/topics.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::kafka {
namespace {

using conformance::events_of;
using conformance::sample_chunk;
using conformance::sample_dead_letter;
using Records = std::vector<RecordAssembler::Record>;

Records assembled(const std::vector<StateRow>& rows, std::uint64_t first) {
  RecordAssembler assembler(first);
  Records records;
  for (const StateRow& row : rows) REQUIRE(assembler.take(row.key, row.value, Timestamp{7}, records).has_value());
  return records;
}

LogRecord changes(const std::string& position, const std::string& row) {
  LogRecord record;
  record.positions = {{"orders", "ev/3", position}};
  record.state = {{"counts", row, "1", false, Timestamp{5}}};
  record.chain_version = 9;
  return record;
}

void append(std::vector<StateRow>& to, const std::vector<StateRow>& rows) { to.insert(to.end(), rows.begin(), rows.end()); }

}  // namespace

TEST_CASE("facts come back from their header") {
  const Facts facts{.uuid = Uuid::v5({}, "a"),
                    .project = "shop",
                    .event = "order \"paid\"",
                    .distinct_id = "u1",
                    .person_id = "p1",
                    .source = "web",
                    .timestamp = Timestamp{-5},
                    .received_at = Timestamp{1'760'000'000'000}};
  std::string header;
  encode_facts(facts, facts.distinct_id, header);
  const auto decoded = decode_facts(header, "u1");
  REQUIRE(decoded.has_value());
  CHECK(decoded->uuid == facts.uuid);
  CHECK(decoded->project == facts.project);
  CHECK(decoded->event == facts.event);
  CHECK(decoded->distinct_id == facts.distinct_id);
  CHECK(decoded->person_id == facts.person_id);
  CHECK(decoded->source == facts.source);
  CHECK(decoded->timestamp == facts.timestamp);
  CHECK(decoded->received_at == facts.received_at);
  for (std::size_t size = 0; size + facts.person_id.size() < header.size(); ++size)
    CHECK_FALSE(decode_facts(std::string_view(header).substr(0, size), "").has_value());
  header[0] = 3;
  CHECK(decode_facts(header, "").error().kind == ErrorKind::conflict);
}

TEST_CASE("facts of a message with another key have the distinct id too") {
  for (const std::string id : {"", "u1"}) {
    Facts facts;
    facts.distinct_id = id;
    facts.person_id = "p1";
    std::string header;
    encode_facts(facts, "order-7", header);
    const auto decoded = decode_facts(header, "order-7");
    REQUIRE(decoded.has_value());
    CHECK(decoded->distinct_id == id);
    CHECK(decoded->person_id == "p1");
  }
}

TEST_CASE("a message has its own time only where its topic takes it") {
  const Timestamp now{1'000'000'000};
  constexpr Duration kHour{3'600'000};
  CHECK(TimeWindow{}.taken({5}, now).ms == 5);
  CHECK(TimeWindow{}.taken({now.ms * 2}, now).ms == now.ms * 2);
  const TimeWindow window{kHour, kHour};
  CHECK(window.taken({now.ms - 3'000'000}, now).ms == now.ms - 3'000'000);
  CHECK(window.taken({now.ms - 3'590'000}, now).ms == 0);
  CHECK(window.taken({now.ms + 3'590'000}, now).ms == 0);
  CHECK(window.taken({}, now).ms == 0);
}

TEST_CASE("what a commit changed comes back from its rows") {
  LogRecord record = changes("77", std::string("\0k", 2));
  record.positions.push_back({"orders", "", ""});
  record.state.push_back({"", "gone", "", true, {}});
  record.dead = {sample_dead_letter("not json"), sample_dead_letter(std::string("\0\xF5\x50", 3))};
  const auto records = assembled(encode_rows(record, {.next_sequence = 1, .chain_version = 9}), 0);
  REQUIRE(records.size() == 1);
  CHECK(records[0]->sequence == 0);
  CHECK(records[0]->gone_before == 0);
  CHECK(records[0]->appended_at == Timestamp{7});
  CHECK(records[0]->positions == record.positions);
  CHECK(records[0]->state == record.state);
  CHECK(records[0]->dead == record.dead);
  CHECK(records[0]->chain_version == 9);
}

TEST_CASE("records that were read before are passed over, and a new holder's claim is none") {
  std::vector<StateRow> rows;
  append(rows, {encode_commit({.next_sequence = 0, .chain_version = 0, .holder = Uuid::v5({}, "first")})});
  append(rows, encode_rows(changes("1", "a"), {.next_sequence = 1}));
  append(rows, encode_rows(changes("2", "b"), {.next_sequence = 2}));
  append(rows, {encode_commit({.next_sequence = 2, .chain_version = 9, .holder = Uuid::v5({}, "second")})});
  append(rows, encode_rows(changes("3", "c"), {.next_sequence = 3}));
  CHECK(assembled(rows, 0).size() == 3);
  const auto later = assembled(rows, 1);
  REQUIRE(later.size() == 2);
  CHECK(later[0]->sequence == 1);
  CHECK(later[1]->sequence == 2);
  CHECK(later[1]->positions[0].position == "3");
  CHECK(read_commit(rows.back().key, rows.back().value).value()->next_sequence == 3);
  CHECK_FALSE(read_commit(rows[1].key, rows[1].value).value().has_value());
}

TEST_CASE("a topic that was compacted gives what is left, and says how many records are not") {
  std::vector<StateRow> all;
  for (int i = 0; i < 5; ++i)
    append(all, encode_rows(changes(std::to_string(i), i == 1 ? "once" : "often"),
                            {.next_sequence = static_cast<std::uint64_t>(i) + 1}));
  std::vector<StateRow> left;  // the newest of each key
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool replaced = std::any_of(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                                      [&](const auto& row) { return row.key == all[i].key; });
    if (!replaced) left.push_back(all[i]);
  }
  const auto records = assembled(left, 0);
  REQUIRE(records.size() == 2);
  CHECK(records[0]->sequence == 1);
  CHECK(records[0]->gone_before == 1);
  CHECK(records[0]->state[0].key == "once");
  CHECK(records[0]->positions.empty());
  CHECK(records[1]->sequence == 4);
  CHECK(records[1]->gone_before == 2);
  CHECK(records[1]->positions[0].position == "4");
}

TEST_CASE("rows of a newer version, or damaged, are refused") {
  auto row = encode_commit({.next_sequence = 3});
  row.value[0] = 2;
  CHECK(read_commit(row.key, row.value).error().kind == ErrorKind::conflict);
  Records none;
  RecordAssembler assembler(0);
  CHECK_FALSE(assembler.take("c", "", {}, none).has_value());
  CHECK_FALSE(assembler.take("?", encode_commit({.next_sequence = 3}).value, {}, none).has_value());
}

TEST_CASE("a commit says how far `captured` is read, and one of an older program says nothing of it") {
  auto row = encode_commit({.next_sequence = 3, .chain_version = 1, .holder = Uuid::v5({}, "one"), .captured_read = 5});
  CHECK(read_commit(row.key, row.value).value()->captured_read == 5);
  row.value.pop_back();
  const auto older = read_commit(row.key, row.value).value();
  CHECK(older->captured_read == 0);
  CHECK(older->holder == Uuid::v5({}, "one"));
}

TEST_CASE("a commit says which sources its process has") {
  const SourcePrints sources{{"web", 7}, {"orders", 9}};
  const auto row = encode_commit({.next_sequence = 3, .chain_version = 1, .captured_read = 5, .sources = encode(sources)});
  CHECK(read_source_prints(read_commit(row.key, row.value).value()->sources) == sources);
  const auto silent = encode_commit({.next_sequence = 3, .chain_version = 1, .captured_read = 5});
  CHECK_FALSE(read_source_prints(read_commit(silent.key, silent.value).value()->sources));
  CHECK_FALSE(read_source_prints("\2\0"));  // of a newer program
}

TEST_CASE("a source that is not the same in two processes is named") {
  const SourcePrints here{{"web", 7}, {"orders", 9}};
  const Uuid process = Uuid::v5({}, "other");
  CHECK(difference(here, {{"orders", 9}, {"web", 7}}, process).empty());
  CHECK(difference(here, {{"web", 7}}, process).starts_with("source orders is here, but not in"));
  CHECK(difference(here, {{"web", 7}, {"orders", 8}}, process).starts_with("source orders has another"));
  CHECK(difference({{"web", 7}}, here, process).starts_with("source orders is in the configuration of"));
  CHECK(difference(here, {}, process).contains(process.to_string()));
}

TEST_CASE("a data folder's process keeps its name in the group") {
  fakes::MemoryDisk disk;
  const auto lock = lock_data_folder(disk, "data");
  const auto name = instance_of(disk, "data");
  REQUIRE(name.has_value());
  CHECK(instance_of(disk, "data").value() == *name);
  REQUIRE(disk.write_atomically("data/INSTANCE", "half of i").has_value());
  CHECK(instance_of(disk, "data").error().kind == ErrorKind::corrupt);
}

TEST_CASE("a data folder goes with one log only") {
  fakes::MemoryDisk disk;
  {
    const auto lock = lock_data_folder(disk, "data");
    REQUIRE(lock.has_value());
    CHECK(lock_data_folder(disk, "data").error().kind == ErrorKind::conflict);
    CHECK(bind_data_folder(disk, "data", "cluster shop.events", 8).has_value());
    CHECK(bind_data_folder(disk, "data", "cluster shop.events", 8).has_value());
    for (const auto* other : {"cluster other.events", "another shop.events"})
      CHECK(bind_data_folder(disk, "data", other, 8).error().kind == ErrorKind::conflict);
    CHECK(bind_data_folder(disk, "data", "cluster shop.events", 9).has_value());  // one was added,
    CHECK(bind_data_folder(disk, "data", "cluster shop.events", 8).error().kind == ErrorKind::conflict);  // and none goes away
  }
  REQUIRE(disk.create_directories("old/state").has_value());
  CHECK(bind_data_folder(disk, "old", "cluster shop.events", 8).error().kind == ErrorKind::corrupt);
}

TEST_CASE("a data folder whose binding was not durable yet is bound for good by the next start") {
  fakes::MemoryDisk disk;
  REQUIRE(disk.create_directories("data").has_value());
  disk.fail(fakes::MemoryDisk::Verb::sync_directory, EIO);
  CHECK_FALSE(bind_data_folder(disk, "data", "cluster shop.events", 8).has_value());
  CHECK(bind_data_folder(disk, "data", "cluster shop.events", 8).has_value());
  const auto after = disk.crash(1, fakes::MemoryDisk::Unsynced::lost);
  CHECK(after->exists("data/FORMAT").value());
}

TEST_CASE("a captured record is one message that knows what was before it") {
  LogRecord record;
  record.chunks = {sample_chunk(2, 10, 3), sample_chunk(0, 20, 1)};
  record.dead = {sample_dead_letter("not json")};
  auto prepared = log_format::prepare(std::move(record), 4);
  REQUIRE(prepared.has_value());
  Offsets next{5, 6, 7, 8};
  const std::string message = encode_captured(*prepared, Timestamp{99}, next);
  CHECK(next == Offsets{6, 6, 10, 8});
  const auto decoded = decode_captured(message, 41, {}, nullptr);
  REQUIRE(decoded.has_value());
  CHECK((*decoded)->sequence == 41);
  CHECK((*decoded)->appended_at == Timestamp{99});
  CHECK((*decoded)->next == next);
  CHECK((*decoded)->dead.size() == 1);
  CHECK(events_of({*decoded}) ==
        std::vector<std::string>{R"(2@7 {"n":10})", R"(2@8 {"n":11})", R"(2@9 {"n":12})", R"(0@5 {"n":20})"});
  const auto share = decode_captured(message, 41, {0, 2}, nullptr);
  CHECK((*share)->chunks.size() == 2);
  CHECK((*decode_captured(message, 41, {1, 2}, nullptr))->chunks.empty());
  std::string damaged = message;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  CHECK_FALSE(decode_captured(damaged, 41, {}, nullptr).has_value());
}

}  // namespace penstock::logs::kafka
