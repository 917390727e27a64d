#include <doctest/doctest.h>

#include "connectors/sources/kafka/kafka_settings.h"
#include "pipeline/config/document.h"
#include "pipeline/registry/registry.h"

using namespace penstock;
using namespace penstock::sources::kafka;

namespace penstock::sources::kafka {
void register_in(Registry& registry);
}

namespace {

std::string problem_of(const std::string& yaml) {
  auto document = config::parse_document(yaml, "p.yaml", {});
  config::StructReader reader(document.root, "in", document.problems);
  Config config;
  reader.read(config);
  return document.problems.empty() ? "" : document.problems[0].to_string();
}

const std::string kGood = "brokers: [k1:9092]\ntopics: [orders, \"shop.*\"]\n";

}  // namespace

TEST_CASE("what is wrong with the settings is told at its place") {
  CHECK(problem_of(kGood) == "");
  CHECK(problem_of(kGood + "from: 2026-08-01T10:00:00Z\n") == "");
  CHECK(problem_of(kGood + "client: { fetch.wait.max.ms: 10, security.protocol: ssl }\n") == "");
  CHECK(problem_of("brokers: [k1]\ntopics: [\"a b\"]\n") ==
        "p.yaml:2:9: in.topics: 'a b' is no topic: they have letters, digits, '.', '_' and '-', patterns '*' too");
  CHECK(problem_of("brokers: [k1]\ntopics: [\"..\"]\n").contains("'..' is no topic"));
  CHECK(problem_of("brokers: [k1]\ntopics: [\"" + std::string(250, 'a') + "\"]\n").contains("is no topic"));
  CHECK(problem_of("brokers: [\"k1:99999\"]\ntopics: [a]\n") ==
        "p.yaml:1:10: in.brokers: expected host:port, got 'k1:99999'");
  CHECK(problem_of(kGood + "message_max: 2MiB\n") ==
        "p.yaml:3:14: in.message_max: with `codec: json` a message is an event, and no event is larger than 1MiB");
  CHECK(problem_of(kGood + "message_max: 2MiB\ncodec: raw\n") == "");
  CHECK(problem_of(kGood + "from: yesterday\n") ==
        "p.yaml:3:7: in.from: expected earliest, latest, stored or a time such as 2026-08-01T10:00:00Z, got 'yesterday'");
  CHECK(problem_of(kGood + "from: stored\ngroup: shop.in\n") == "");
  CHECK(problem_of(kGood + "from: stored\n") ==
        "p.yaml:3:7: in.from: `stored` is where a consumer group stands; set `group` too");
  CHECK(problem_of(kGood + "key: distinct_id\n") == "");
  CHECK(problem_of(kGood + "key: repartition\n") == "");
  CHECK(problem_of(kGood + "key: user_id\n") ==
        "p.yaml:3:6: in.key: expected one of none, distinct_id, repartition, got \"user_id\"");
  CHECK(problem_of(kGood + "codec: avro\n") == "p.yaml:3:8: in.codec: expected one of json, raw, got \"avro\"");
  CHECK(problem_of(kGood + "client: { group.id: x }\n") ==
        "p.yaml:3:11: in.client: 'group.id' cannot be set here: set `group` instead");
  CHECK(problem_of(kGood + "client: { linger.ms: 5 }\n").contains("'linger.ms' is a setting of producers"));
}

TEST_CASE("as many partitions are read at once as memory is enough for, and where there are many each has less of it") {
  Config config;
  CHECK(partitions_at_once(config) == 12);
  CHECK(partitions_at_once(config, 12) == 12);
  CHECK(partitions_at_once(config, 13) == 13);
  CHECK(partitions_at_once(config, 64) == 64);
  CHECK(partitions_at_once(config, 5000) == 256);
  config.client = {{"fetch.message.max.bytes", "8388608"}};
  CHECK(partitions_at_once(config, 64) == 7);
  config.memory = 8_MiB;
  CHECK(partitions_at_once(config, 64) == 1);
}

TEST_CASE("the example in the reference is a configuration") {
  Registry registry;
  register_in(registry);
  const auto* type = registry.sources.find("kafka");
  REQUIRE(type != nullptr);
  auto document = config::parse_document("type: kafka\n" + type->example, "example.yaml", {});
  config::StructReader reader(document.root, "example", document.problems);
  reader.allow("type");
  type->read(reader);
  CHECK_MESSAGE(reader.finish(), (document.problems.empty() ? "" : document.problems.front().to_string()));
}
