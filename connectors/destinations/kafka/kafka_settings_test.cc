#include "connectors/destinations/kafka/kafka_settings.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/config/document.h"
#include "pipeline/registry/registry.h"

using namespace penstock;
using namespace penstock::destinations::kafka;

namespace penstock::destinations::kafka {
void register_in(Registry& registry);
}

namespace {

std::string problem_of(const std::string& yaml) {
  auto document = config::parse_document(yaml, "p.yaml", {});
  config::StructReader reader(document.root, "out", document.problems);
  Config config;
  reader.read(config);
  return document.problems.empty() ? "" : document.problems[0].to_string();
}

std::string value_of(const penstock::kafka::Settings& settings, std::string_view name) {
  const auto found = std::ranges::find_if(settings, [&](const auto& each) { return each.first == name; });
  return found == settings.end() ? "" : found->second;
}

const std::string kGood = "brokers: [k1:9092]\ntopic: events\n";

}  // namespace

TEST_CASE("what is wrong with the settings is told at its place") {
  CHECK(problem_of(kGood) == "");
  CHECK(problem_of("brokers: []\ntopic: events\n") ==
        "p.yaml:1:10: out.brokers: expected at least one broker, such as [kafka-1:9092]");
  CHECK(problem_of("brokers: [\"k1:9092,k2:9092\"]\ntopic: events\n") ==
        "p.yaml:1:10: out.brokers: expected host:port, got 'k1:9092,k2:9092'");
  CHECK(problem_of("brokers: [k1]\ntopic: \"a b\"\n") ==
        "p.yaml:2:8: out.topic: expected a topic's name: letters, digits, '.', '_' and '-', at most 249 of them");
  CHECK(problem_of("brokers: [k1]\ntopic: shop.{evnt}\n") ==
        "p.yaml:2:8: out.topic: there is no fact 'evnt'; there are uuid, project, event, distinct_id and source");
  CHECK(problem_of(kGood + "headers: { a: b, c: \"{d\" }\n") == "p.yaml:3:18: out.headers: '{d' has a { that is not closed");
  CHECK(problem_of(kGood + "client: { bootstrap.servers: k2 }\n") ==
        "p.yaml:3:11: out.client: 'bootstrap.servers' cannot be set here: set `brokers` instead");
  CHECK(problem_of(kGood + "client: { linger.m: 5 }\n") ==
        "p.yaml:3:11: out.client: librdkafka has no setting 'linger.m', did you mean 'linger.ms'?");
  CHECK(problem_of(kGood + "client: { max.in.flight: 10 }\n").contains("`max.in.flight` must be set <= 5"));
}

TEST_CASE("batches fit the topic, unless the user has said how large they are") {
  Config config{.brokers = {"k1:9092", "k2:9092"}, .topic = "events", .headers = {}, .client = {}};
  const auto without = client_settings(config, {});
  CHECK(value_of(without, "bootstrap.servers") == "k1:9092,k2:9092");
  CHECK(value_of(without, "batch.size") == "");
  CHECK(client_settings(config, {.batch_bytes_max = 1'048'588}) == without);
  CHECK(value_of(client_settings(config, {.batch_bytes_max = 5'000'000}), "message.max.bytes") == "5000000");
  CHECK(value_of(client_settings(config, {.batch_bytes_max = 20'000}), "message.max.bytes") == "1048588");
  CHECK(value_of(client_settings(config, {.batch_bytes_max = 20'000}), "batch.size") == "19744");
  CHECK(value_of(client_settings(config, {.batch_bytes_max = 100}), "batch.size") == "1");
  config.client = {{"batch.size", "5000"}};
  CHECK(value_of(client_settings(config, {.batch_bytes_max = 20'000}), "batch.size") == "5000");
}

TEST_CASE("the example in the reference is a configuration") {
  Registry registry;
  register_in(registry);
  const auto* type = registry.destinations.find("kafka");
  REQUIRE(type != nullptr);
  auto document = config::parse_document("type: kafka\n" + type->example, "example.yaml", {});
  config::StructReader reader(document.root, "example", document.problems);
  reader.allow("type");
  type->read(reader);
  CHECK_MESSAGE(reader.finish(), (document.problems.empty() ? "" : document.problems.front().to_string()));
}
