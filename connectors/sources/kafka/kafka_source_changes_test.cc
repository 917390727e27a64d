// Topics that come, go and are made anew, and what is told of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "connectors/sources/kafka/kafka_source_rig.h"

using namespace penstock;
using namespace penstock::sources::kafka;

TEST_CASE("a topic that was made anew while nothing read it is read from its beginning, wherever it ends") {
  MockKafka kafka;
  kafka.create("orders", 2);
  kafka.write("orders", 0, values({"a", "b", "c"}));
  kafka.write("orders", 1, values({"d"}));
  const auto first = read_all(of(kafka));
  REQUIRE(first.bodies.size() == 4);
  const auto at = [&](const std::string& partition) {
    return std::ranges::find(first.positions, partition, &SourcePosition::partition)->position;
  };
  REQUIRE(at("orders/0").starts_with("3@"));
  const auto nothing = read_all(of(kafka), first.positions);
  CHECK(nothing.bodies.empty());
  CHECK(nothing.warnings.empty());

  // The times of the old ones, of which this has others: as many, more and less than were read.
  const auto again = read_all(of(kafka), {{"in", "orders/0", "3@1000"}, {"in", "orders/1", "1@1000#4"}});
  CHECK(again.bodies.size() == 4);
  // Once for a topic, and once more when another of its partitions comes later with a higher generation.
  REQUIRE_FALSE(again.warnings.empty());
  CHECK(again.warnings.size() <= 2);
  CHECK(again.warnings[0].loss);
  CHECK(again.warnings[0].text ==
        "topic 'orders' was deleted and made anew: it is read from its beginning, and what had not been "
        "read of the old one is lost");
  std::vector<std::string> ends;
  for (const auto& position : again.positions) ends.push_back(position.position.substr(position.position.find('#')));
  std::ranges::sort(ends);
  CHECK(ends == std::vector<std::string>{"#1", "#5"});
  CHECK(again.origins == std::set<std::string>{"orders/0#1", "orders/1#5"});
  CHECK(read_all(of(kafka), {{"in", "orders/0", "2@1000"}, {"in", "orders/1", "2"}}).bodies.size() == 4);
  const auto rest = read_all(of(kafka), {{"in", "orders/0", "2"}, {"in", "orders/1", "1"}});  // as positions were before
  CHECK(rest.bodies == std::vector<std::string>{"c"});
  CHECK(rest.origins == std::set<std::string>{""});
}

TEST_CASE("a topic that seems to be gone for a moment is read on where it was") {
  MockKafka kafka;
  kafka.create("orders", 2);
  kafka.write("orders", 0, values({"a", "b"}));
  auto config = of(kafka);
  config.client.push_back({"topic.metadata.refresh.interval.ms", "50"});
  Patient source(make(config));
  REQUIRE(source.open({}).has_value());
  auto given = read_all(source);
  kafka.fail_topic("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  given = read_all(source, given.positions, true);
  CHECK(given.warnings[0].text == "topic 'orders' does not exist; create it, or correct its name");
  kafka.fail_topic("orders", RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka.write("orders", 0, values({"c"}));
  kafka.write("orders", 1, values({"d"}));
  std::vector<std::string> bodies;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (bodies.size() < 2) {
    RawBatch batch;
    REQUIRE(source.poll(batch, 1 << 20).has_value());
    for (const auto& record : batch.records) bodies.emplace_back(record.body);
    for (const auto& warning : batch.warnings) CHECK_FALSE(warning.loss);
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
  std::ranges::sort(bodies);
  CHECK(bodies == std::vector<std::string>{"c", "d"});
}

TEST_CASE("topics of the pipeline's own log are never read, whatever a pattern says") {
  MockKafka kafka;
  for (const auto* topic : {"orders", "shop.a", "shop.events", "shop.state", "shop.captured"}) {
    kafka.create(topic, 1);
    kafka.write(topic, 0, values({topic}));
  }
  const auto read = [&](const std::string& cluster) {
    ConnectorContext context{"in", ".", system_clock(), no_http()};
    context.own_topics = {.cluster = cluster, .names = {"shop.captured", "shop.events", "shop.state"}};
    Patient source(std::make_unique<KafkaSource>(of(kafka, {"orders", "shop.*"}), context));
    REQUIRE(source.open({}).has_value());
    auto given = read_all(source);
    std::ranges::sort(given.bodies);
    return given;
  };
  const auto here = read(kafka.cluster());
  CHECK(here.bodies == std::vector<std::string>{"orders", "shop.a"});
  REQUIRE(here.warnings.size() == 1);
  CHECK(here.warnings[0].text ==
        "not read, for they are of this pipeline's own log: shop.captured, shop.events, shop.state");
  CHECK(read("another").bodies.size() == 5);
}

TEST_CASE("what is wrong is said for as long as it lasts, and how much there is to read of each partition") {
  MockKafka kafka;
  kafka.create("orders", 1);
  kafka.write("orders", 0, values({"a", "b"}));
  kafka.fail_topic("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  telemetry::Metrics metrics;
  std::mutex mutex;
  std::vector<std::string> said;
  ConnectorContext context{"in", ".", system_clock(), no_http(), &metrics};
  context.trouble = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    said.push_back(text);
  };
  KafkaSource source(of(kafka), context);
  REQUIRE(source.open({}).has_value());
  const auto poll_until = [&](const auto& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (RawBatch batch; !holds();) {
      REQUIRE(source.poll(batch, 1 << 20).has_value());
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  };
  const auto said_last = [&] {
    const std::lock_guard lock(mutex);
    return said.back();
  };
  poll_until([&] { return !said_last().empty(); });
  CHECK(said_last() == "topic 'orders' does not exist; create it, or correct its name");
  kafka.fail_topic("orders", RD_KAFKA_RESP_ERR_NO_ERROR);
  poll_until([&] { return said_last().empty(); });
  const std::string lag = "penstock_source_lag_messages{partition=\"0\",source=\"in\",topic=\"orders\"} ";
  poll_until([&] { return source.caught_up() && metrics.render().contains(lag + "0"); });
  kafka.set_up(false);
  poll_until([&] { return said_last().starts_with("no broker can be reached: "); });
  kafka.set_up(true);
  poll_until([&] { return said_last().empty(); });
  kafka.set_up(false);
  poll_until([&] { return !said_last().empty(); });
  source.close();
  CHECK(said_last().empty());
}
