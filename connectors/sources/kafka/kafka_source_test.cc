#include "connectors/sources/kafka/kafka_source.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "connectors/sources/kafka/kafka_source_rig.h"
#include "pipeline/kafka/group_commit.h"
#include "tests/conformance/source_conformance.h"

using namespace penstock;
using namespace penstock::sources::kafka;

TEST_CASE("several topics and patterns are read, and no others") {
  MockKafka kafka;
  for (const auto* topic : {"orders", "shop.a", "shop.b", "other"}) {
    kafka.create(topic, 1);
    kafka.write(topic, 0, values({topic}));
  }
  auto given = read_all(of(kafka, {"orders", "shop.*"}));
  std::ranges::sort(given.bodies);
  CHECK(given.bodies == std::vector<std::string>{"orders", "shop.a", "shop.b"});
  CHECK(given.positions.size() == 3);
}

TEST_CASE("it begins where it is told to, but only with what was never read") {
  MockKafka kafka;
  kafka.create("orders", 2);
  kafka.write("orders", 0, values({"a", "b"}));
  kafka.write("orders", 1, values({"c"}));
  auto config = of(kafka);
  config.from = "latest";
  const auto nothing = read_all(config);
  CHECK(nothing.bodies.empty());
  REQUIRE(nothing.positions.size() == 2);
  kafka.write("orders", 0, values({"d"}));
  CHECK(read_all(config, nothing.positions).bodies == std::vector<std::string>{"d"});
  auto rest = read_all(config, {{"in", "orders/0", "1"}}).bodies;
  std::ranges::sort(rest);  // partitions come as they come
  CHECK(rest == std::vector<std::string>{"b", "c", "d"});
}

TEST_CASE("a share of the input that has no partition of a topic yet loses nothing of one that comes later") {
  MockKafka kafka;
  kafka.create("orders", 1);
  auto config = of(kafka);
  config.from = "latest";
  const auto of_share = [&] {
    ConnectorContext context{"in", ".", system_clock(), no_http()};
    context.share = {1, 2};
    return std::make_unique<KafkaSource>(config, context);
  };
  std::vector<SourcePosition> stored;
  {
    Patient source(of_share());
    REQUIRE(source.open({}).has_value());
    stored = read_all(source).positions;
  }
  REQUIRE(stored.size() == 1);
  CHECK(stored.front().partition == "orders/");
  MockKafka grown;  // its topics cannot grow
  grown.create("orders", 2);
  grown.write("orders", 1, values({"a", "b"}));
  config.brokers = {grown.address()};
  Patient source(of_share());
  REQUIRE(source.open(stored).has_value());
  CHECK(read_all(source, stored).bodies == std::vector<std::string>{"a", "b"});
}

TEST_CASE("its group shows what ingest has committed, and tells another source where to begin") {
  MockKafka kafka;
  kafka.create("orders", 3);
  for (int partition = 0; partition < 3; ++partition) kafka.write("orders", partition, values({"a", "b", "c"}));
  auto config = of(kafka);
  config.group = "shop.in";
  {
    ConnectorContext context{"in", ".", system_clock(), no_http()};
    context.committed = [] {
      return Result<std::vector<SourcePosition>>({{"in", "orders/0", "1"}, {"in", "orders/2", "3"}});
    };
    KafkaSource source(config, context);
  }  // it tells once more at its end
  const auto offsets = penstock::kafka::group_offsets(client_settings(config), config.group, "orders", 3, Duration(10'000));
  REQUIRE(offsets.has_value());
  CHECK(*offsets == std::vector<std::uint64_t>{1, penstock::kafka::kNoOffset, 3});
  config.from = "stored";
  auto given = read_all(config).bodies;
  std::ranges::sort(given);
  CHECK(given == std::vector<std::string>{"a", "b", "b", "c", "c"});
  given = read_all(config, {{"in", "orders/0", "3"}, {"in", "orders/1", "2"}, {"in", "orders/2", "3"}}).bodies;
  CHECK(given == std::vector<std::string>{"c"});
}

TEST_CASE("tombstones of JSON topics are passed over, once") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.write("orders", 0, {{"k", "{}"}, {"k", std::nullopt}});
  const auto given = read_all(of(kafka));
  CHECK(given.bodies == std::vector<std::string>{"{}"});
  REQUIRE(given.positions.size() == 1);
  CHECK(given.positions[0].position.starts_with("2@"));
}

TEST_CASE("for a log that keeps it each message has its key, headers and time, and tombstones are given too") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.write("orders", 0,
              {{"k", "{}", {{"h", "1"}, {"h", "2"}}}, {std::nullopt, "{}"}, {"k", std::nullopt, {{"why", "gone"}}}});
  for (const auto keyed : {KeyedBy::none, KeyedBy::distinct_id}) {
    CAPTURE(keyed == KeyedBy::none);
    auto config = of(kafka);
    config.key = keyed;
    ConnectorContext context{"in", ".", system_clock(), no_http()};
    context.attachments = true;
    KafkaSource source(config, context);
    REQUIRE(source.open({}).has_value());
    struct Kept {
      std::string body;
      bool tombstone;
      std::optional<std::string> key;
      std::int64_t at;
      std::vector<std::pair<std::string, std::string>> headers;
    };
    std::vector<Kept> kept;
    RawBatch batch;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (kept.size() < 3) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      REQUIRE(source.poll(batch, 1 << 20).has_value());
      for (const auto& record : batch.records) {
        const auto& attached = *record.attachment;
        Kept& one = kept.emplace_back(Kept{std::string(record.body), record.tombstone, {}, attached.time.ms, {}});
        if (attached.key) one.key.emplace(*attached.key);
        std::vector<AttachedHeader> headers;
        read_headers(attached.headers, headers);
        for (const auto& header : headers) one.headers.emplace_back(header.name, header.value.value_or(""));
      }
    }
    REQUIRE(kept.size() == 3);
    CHECK(kept[0].body == "{}");
    CHECK(kept[0].key.has_value() == (keyed == KeyedBy::none));
    CHECK(kept[0].key.value_or("k") == "k");
    CHECK(kept[0].at > 0);
    REQUIRE(kept[0].headers.size() == 2);
    CHECK(kept[0].headers[1] == std::pair<std::string, std::string>("h", "2"));
    CHECK_FALSE(kept[1].key.has_value());
    CHECK(kept[1].headers.empty());
    CHECK(kept[1].body == "{}");
    CHECK(kept[2].tombstone);
    CHECK(kept[2].body.empty());
    CHECK(kept[2].key == "k");
    CHECK(kept[2].headers.size() == 1);
  }
}

TEST_CASE("raw keeps all that a message has") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.write("orders", 0, {{"k\"1", "text", {{"h", "1"}, {"h", "2"}}}, {std::nullopt, "\xff"}, {"k", std::nullopt}});
  auto config = of(kafka);
  config.codec = Codec::raw;
  auto bodies = read_all(config).bodies;
  REQUIRE(bodies.size() == 3);
  for (auto& body : bodies) {
    const auto at = body.find("\"timestamp\":\"");
    REQUIRE(at != std::string::npos);
    body.erase(at, std::string_view("\"timestamp\":\"2026-08-01T10:00:00.123Z\",").size());
  }
  CHECK(bodies[0] ==
        R"({"topic":"orders","partition":0,"offset":0,"key":"k\"1","headers":[["h","1"],["h","2"]],"value":"text"})");
  CHECK(bodies[1].ends_with(R"("offset":1,"key":null,"headers":[],"value":{"base64":"/w=="}})"));
  CHECK(bodies[2].ends_with(R"("key":"k","headers":[],"value":null})"));
}

TEST_CASE("a message that is too large is refused with its beginning") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.write("orders", 0, values({std::string(200'000, 'x'), "{}"}));
  auto config = of(kafka);
  config.message_max = 100'000_B;
  const auto given = read_all(config);
  CHECK(given.refused == std::vector<std::string>{std::string(64 << 10, 'x')});
  CHECK(given.bodies == std::vector<std::string>{"{}"});
}

TEST_CASE("partitions that memory is not enough for take turns") {
  MockKafka kafka;
  constexpr int kMany = 7;
  kafka.create("orders", kMany);
  for (int partition = 0; partition < kMany; ++partition) {
    kafka.write("orders", partition, values({std::to_string(partition), std::to_string(partition)}));
  }
  auto config = of(kafka);
  config.memory = 256_KiB;
  REQUIRE(partitions_at_once(config, kMany) == 1);
  Patient source(make(config));
  REQUIRE(source.open({}).has_value());
  std::size_t bodies = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (bodies < 2 * kMany) {
    RawBatch batch;
    REQUIRE(source.source().poll(batch, 1 << 20).has_value());
    bodies += batch.records.size();
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
  CHECK(bodies == 2 * kMany);
}

TEST_CASE("without a broker, or without the topic, it warns once and waits") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.fail_topic("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto missing = read_all(of(kafka), {}, true);
  REQUIRE(missing.warnings.size() == 1);
  CHECK(missing.warnings[0].text == "topic 'orders' does not exist; create it, or correct its name");
  auto nowhere = of(kafka);
  nowhere.brokers = {"127.0.0.1:1"};
  const auto refused = read_all(nowhere, {}, true);
  REQUIRE(refused.warnings.size() == 1);
  CHECK(refused.warnings[0].text.starts_with("no broker can be reached: "));
  CHECK_FALSE(refused.warnings[0].loss);
}

TEST_CASE("kafka keeps the contract of polled sources") {
  MockKafka kafka;
  kafka.create("orders", 1);
  conformance::source_conformance({
      .make = [&] { return std::make_unique<Patient>(make(of(kafka))); },
      .write = [&](const std::vector<std::string>& bodies) { kafka.write("orders", 0, values(bodies)); },
  });
}
