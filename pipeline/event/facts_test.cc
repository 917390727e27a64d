#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event/dead_letter.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/murmur2.h"
#include "pipeline/event/timestamps.h"

namespace penstock {
namespace {

constexpr Timestamp kReceived{1'785'578'400'000};
constexpr RecordPlace kPlace{.source = "web", .partition = "3", .offset = 17, .index = 0};

// Keeps the body and everything the facts point into.
struct Reading {
  Reading(FactPaths paths, std::string text) : body(std::move(text)), reader(std::move(paths), "shop") {
    REQUIRE(json::index_object(body, index));
    facts = reader.read(index, kPlace, kReceived);
  }
  std::string body;
  json::ObjectIndex index;
  FactReader reader;
  Result<Facts> facts;
};

DeadLetter letter() {
  return {.uuid = *Uuid::parse("019a8c3e-0000-7abc-8def-0123456789ab"),
          .stage = "crm",
          .app = "set_fields",
          .code = "http_400",
          .reason = "400 from crm: no such field",
          .source = "web",
          .place = "3 at 17",
          .event = "signup",
          .distinct_id = "user-1",
          .project = "shop",
          .timestamp = Timestamp{1785578400001},
          .partition = 5,
          .attempts = 3,
          .received_at = kReceived,
          .first_at = {kReceived.ms + 10},
          .last_at = {kReceived.ms + 500},
          .body = R"({"event":"signup"})"};
}

}  // namespace

TEST_CASE("times are read as SDKs write them") {
  const std::vector<std::pair<std::string, std::string>> times{
      {"2026-08-01T10:00:00.123Z", "2026-08-01T10:00:00.123Z"},
      {"2026-08-01t10:00:00z", "2026-08-01T10:00:00.000Z"},
      {"2026-08-01 10:00:00.1", "2026-08-01T10:00:00.100Z"},
      {"2026-08-01T10:00:00.123999999999+02:00", "2026-08-01T08:00:00.123Z"},
      {"2026-08-01T00:30:00+0200", "2026-07-31T22:30:00.000Z"},
      {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000Z"},
      {"2024-02-29", "2024-02-29T00:00:00.000Z"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
      {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
      {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"},
      {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"}};
  for (const auto& [text, same] : times) {
    CAPTURE(text);
    const auto time = parse_timestamp(text);
    REQUIRE(time);
    CHECK_EQ(format_timestamp(*time), same);
  }
}

TEST_CASE("what is not a time is none") {
  for (const auto* text : {"",
                           "2026",
                           "2026-13-01",
                           "2026-02-29",
                           "2026-00-10",
                           "2026-8-1",
                           "0000-01-01",
                           "2026-08-01T",
                           "2026-08-01T24:00:00Z",
                           "2026-08-01T10:60:00Z",
                           "2026-08-01T10:00:61Z",
                           "2026-08-01T10:00Z",
                           "2026-08-01T10:00:00.Z",
                           "2026-08-01T10:00:00Zx",
                           "2026-08-01T10:00:00+25:00",
                           "2026-08-01T10:00:00+02:0",
                           "0001-01-01T00:00:00+01:00",
                           "9999-12-31T23:59:59-01:00",
                           " 2026-08-01",
                           "10000-01-01"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_timestamp(text));
  }
}

TEST_CASE("a number is seconds until it is too large to be") {
  CHECK_EQ(timestamp_from_number(1763700000.123)->ms, 1'763'700'000'123);
  CHECK_EQ(timestamp_from_number(1763700000123.0)->ms, 1'763'700'000'123);
  CHECK_EQ(timestamp_from_number(0)->ms, 0);
  CHECK_EQ(timestamp_from_number(-1.5)->ms, -1500);
  for (const double value : {1e300, -1e300, 253402300800000.0, -62135596801.0}) CHECK_FALSE(timestamp_from_number(value));
  CHECK_EQ(format_timestamp({INT64_MAX}), "9999-12-31T23:59:59.999Z");
  CHECK_EQ(format_timestamp({INT64_MIN}), "0001-01-01T00:00:00.000Z");
}

TEST_CASE("keys hash as in Kafka's Java client") {
  const std::vector<std::pair<std::string, std::int32_t>> vectors{
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107}};
  for (const auto& [key, hash] : vectors) CHECK_EQ(static_cast<std::int32_t>(murmur2(key)), hash);
}

TEST_CASE("an event goes to the partition of its project and distinct id, or else of its uuid") {
  Facts facts;
  facts.uuid = *Uuid::parse("019a8c3e-0000-7abc-8def-0123456789ab");
  facts.project = "shop";
  facts.distinct_id = "user-1";
  const std::string key("shop\0user-1", 11);
  CHECK_EQ(partition_of(facts, 16), static_cast<int>((murmur2(key) & 0x7FFFFFFF) % 16));
  const std::string long_id(2000, 'x');
  facts.distinct_id = long_id;
  CHECK_EQ(partition_of(facts, 16), static_cast<int>((murmur2("shop" + std::string(1, '\0') + long_id) & 0x7FFFFFFF) % 16));
  facts.distinct_id = {};
  const int by_uuid = partition_of(facts, 1000);
  facts.project = "other";
  CHECK_EQ(partition_of(facts, 1000), by_uuid);
}

TEST_CASE("the canonical shape gives all facts") {
  const Reading reading({}, R"({"uuid":"019A8C3E-0000-7abc-8def-0123456789ab","event":"$pageview","distinct_id":"user-1",
                               "properties":{"distinct_id":"other"},"timestamp":"2026-08-01T10:00:00.123Z"})");
  REQUIRE(reading.facts);
  CHECK_EQ(reading.facts->uuid.to_string(), "019a8c3e-0000-7abc-8def-0123456789ab");
  CHECK(reading.reader.client_uuid());
  CHECK_EQ(reading.facts->project, "shop");
  CHECK_EQ(reading.facts->source, "web");
  CHECK_EQ(reading.facts->event, "$pageview");
  CHECK_EQ(reading.facts->distinct_id, "user-1");
  CHECK_EQ(format_timestamp(reading.facts->timestamp), "2026-08-01T10:00:00.123Z");
  CHECK_EQ(reading.facts->received_at, kReceived);
}

TEST_CASE("a distinct id of any kind is kept as text") {
  const std::vector<std::pair<std::string, std::string>> ids{
      {R"("distinct_id":"a\u00e9")", "aé"},
      {R"("distinct_id":23)", "23"},
      {R"("distinct_id":1.50)", "1.50"},
      {R"("distinct_id":true)", "true"},
      {R"("distinct_id":{ "a" : [ 1 , 2 ] })", R"({"a":[1,2]})"},
      {R"("distinct_id":null)", ""},
      {R"("distinct_id":null,"properties":{"distinct_id":"p"})", "p"},
      {R"("properties":{"distinct_id":7})", "7"},
      {R"("properties":[])", ""},
      {R"("distinct_id":")" + std::string(300, 'x') + "\"", std::string(300, 'x')}};
  for (const auto& [members, id] : ids) {
    CAPTURE(members);
    const Reading reading({}, R"({"event":"e",)" + members + "}");
    REQUIRE(reading.facts);
    CHECK_EQ(reading.facts->distinct_id, id);
  }
}

TEST_CASE("a time or uuid that is missing or unreadable has its substitute") {
  const std::vector<std::string> bodies{R"({"event":"e"})", R"({"event":"e","timestamp":"yesterday","uuid":"x"})",
                                        R"({"event":"e","timestamp":null,"uuid":null})",
                                        R"({"event":"e","timestamp":1e400,"uuid":7})",
                                        R"({"event":"e","timestamp":{},"uuid":"00000000-0000-0000-0000-000000000000"})"};
  for (const auto& body : bodies) {
    CAPTURE(body);
    const Reading reading({}, body);
    REQUIRE(reading.facts);
    CHECK_EQ(reading.facts->timestamp, kReceived);
    CHECK_EQ(reading.facts->uuid, derived_uuid(kPlace));
    CHECK_FALSE(reading.reader.client_uuid());
  }
  CHECK_EQ(Reading({}, R"({"event":"e","timestamp":1763700000.5})").facts->timestamp.ms, 1'763'700'000'500);
}

TEST_CASE("an event without a name is an error that says what is wrong") {
  const std::vector<std::pair<std::string, std::string>> bodies{
      {"{}", "the event has no name: 'event' is missing"},
      {R"({"event":null})", "the event has no name: 'event' is missing"},
      {R"({"event":7})", "the event has no name: 'event' is not a string"},
      {R"({"event":""})", "the event has no name: 'event' is empty"}};
  for (const auto& [body, message] : bodies) {
    const Reading reading({}, body);
    REQUIRE_FALSE(reading.facts);
    CHECK_EQ(reading.facts.error().message, message);
  }
}

TEST_CASE("a map leads to the facts of a body of any shape") {
  const FactPaths paths{.event = "meta.type", .distinct_id = "customer.id", .timestamp = "at", .uuid = "meta.id"};
  const Reading reading(paths, R"({"meta":{"type":"order","id":"019a8c3e00007abc8def0123456789ab"},"customer":{"id":23},
                                   "at":1763700000123,"distinct_id":"not me","event":"nor me"})");
  REQUIRE(reading.facts);
  CHECK_EQ(reading.facts->event, "order");
  CHECK_EQ(reading.facts->distinct_id, "23");
  CHECK_EQ(reading.facts->timestamp.ms, 1'763'700'000'123);
  CHECK(reading.reader.client_uuid());
  const Reading missing(paths, R"({"event":"e","properties":{"distinct_id":"p"}})");
  REQUIRE_FALSE(missing.facts);
  CHECK_EQ(missing.facts.error().message, "the event has no name: 'meta.type' is missing");
}

TEST_CASE("derived uuids are the same for the same place and differ for every other") {
  const auto uuid = derived_uuid(kPlace);
  CHECK_EQ(uuid, derived_uuid(kPlace));
  for (const RecordPlace& other : {RecordPlace{"we", "b3", 17, 0}, RecordPlace{"web", "3", 18, 0},
                                   RecordPlace{"web", "3", 17, 1}, RecordPlace{"web", "31", 7, 0}}) {
    CHECK_NE(uuid, derived_uuid(other));
  }
  CHECK_NE(derived_uuid(uuid, "split", 0), derived_uuid(uuid, "split", 1));
  CHECK_NE(derived_uuid(uuid, "split", 0), derived_uuid(uuid, "other", 0));
}

TEST_CASE("a dead letter reads back, and a cut or a newer version is an error") {
  std::string stored;
  encode(letter(), stored);
  CHECK(decode_dead_letter(stored).value() == letter());
  for (std::size_t cut = 0; cut < stored.size(); ++cut) CHECK_FALSE(decode_dead_letter(stored.substr(0, cut)));
  CHECK_FALSE(decode_dead_letter(stored + "x"));
  stored[0] = 4;
  const auto newer = decode_dead_letter(stored);
  REQUIRE_FALSE(newer);
  CHECK_EQ(newer.error().message,
           "dead letter: version 4 is not the version 3 that this program reads; a newer program wrote it");
}

TEST_CASE("a dead letter of version 2, which had no offset, is read") {
  DeadLetter old = letter();
  old.offset = 0;
  std::string stored;
  encode(old, stored);
  stored[0] = 2;
  stored.erase(stored.size() - old.body.size() - 2, 1);  // before the length of the body
  CHECK(decode_dead_letter(stored).value() == old);
}

TEST_CASE("ids of dead letters sort by time of receipt, tell places apart, and not deaths") {
  const auto id = dead_letter_id(letter());
  CHECK(id.starts_with("1785578400000-019a8c3e-0000-7abc-8def-0123456789ab-"));
  CHECK_EQ(id, dead_letter_id(letter()));
  auto later = letter();
  later.received_at.ms += 1;
  CHECK_LT(id, dead_letter_id(later));
  auto again = letter();
  again.last_at.ms += 1;
  again.code = "http_500";
  CHECK_EQ(id, dead_letter_id(again));
  again.app = "another";
  CHECK_EQ(id, dead_letter_id(again));
  auto copy = letter();
  copy.place = "4 at 1";
  CHECK_NE(id, dead_letter_id(copy));
  auto placeless = letter();
  placeless.place.clear();
  auto by_another = placeless;
  by_another.app = "another";
  CHECK_NE(dead_letter_id(placeless), dead_letter_id(by_another));
}

}  // namespace penstock
