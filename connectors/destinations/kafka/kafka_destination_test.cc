#include "connectors/destinations/kafka/kafka_destination.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "pipeline/event/murmur2.h"
#include "tests/conformance/destination_conformance.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/mock_kafka.h"

using namespace penstock;
using namespace penstock::destinations::kafka;
using fakes::MockKafka;
using Kind = Outcome::Kind;

namespace {

constexpr int kPartitions = 4;

HttpClient& no_http() {
  struct NoHttp final : HttpClient {
    void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
  };
  static NoHttp http;
  return http;
}

Config to(const MockKafka& kafka, std::string topic = "events") {
  return {.brokers = {kafka.address()},
          .topic = std::move(topic),
          .headers = {},
          .timeout = Duration(10'000),
          // With both of them it asks no broker what the topic takes, which these cannot answer.
          .client = {{"batch.size", "1000000"}, {"message.max.bytes", "1000000"}}};
}

std::unique_ptr<KafkaDestination> make(Config config, telemetry::Metrics* metrics = nullptr) {
  static const fakes::ManualClock clock;
  return std::make_unique<KafkaDestination>(std::move(config), ConnectorContext{"out", ".", clock, no_http(), metrics});
}

std::unique_ptr<KafkaDestination> connected(Config config, telemetry::Metrics* metrics = nullptr) {
  auto destination = make(std::move(config), metrics);
  const auto done = destination->connect({});
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().message));
  return destination;
}

// Everything that its views point into is kept by the batch alone.
Batch batch_of(std::vector<std::string> bodies, std::string event = "signup", std::string id = "u1") {
  struct Texts {
    std::vector<std::string> bodies;
    std::string event, id;
  };
  const auto texts = std::make_shared<const Texts>(std::move(bodies), std::move(event), std::move(id));
  Batch batch;
  for (const auto& body : texts->bodies) {
    Facts facts{.uuid = Uuid::v5({}, body),
                .project = "shop",
                .event = texts->event,
                .distinct_id = texts->id,
                .person_id = {},
                .source = "web",
                .timestamp = {1'700'000'000'000},
                .received_at = {1'760'000'000'000}};
    batch.events.push_back({facts, body});
    batch.bytes += body.size();
  }
  batch.keeps.push_back(texts);
  return batch;
}

std::future<Outcomes> submit(KafkaDestination& destination, Batch batch) {
  auto promise = std::make_shared<std::promise<Outcomes>>();
  auto outcomes = promise->get_future();
  destination.submit(std::move(batch), [promise](Outcomes each) { promise->set_value(std::move(each)); });
  return outcomes;
}

std::vector<Outcome> deliver(KafkaDestination& destination, Batch batch) {
  auto outcomes = submit(destination, std::move(batch));
  REQUIRE(outcomes.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  return outcomes.get().each;
}

Outcome deliver_one(KafkaDestination& destination, const std::string& body = R"({"a":1})") {
  const auto each = deliver(destination, batch_of({body}));
  REQUIRE(each.size() == 1);
  return each[0];
}

template <class Holds>
void wait_until(Holds holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // polls the condition
  }
}

}  // namespace

TEST_CASE("an event is a message: body, key, headers, time, and the partition that Java's clients would choose") {
  MockKafka kafka;
  kafka.create("events", kPartitions);
  auto config = to(kafka);
  config.headers = {{"uuid", "{uuid}"}, {"from", "{project}/{source}"}};
  const auto destination = connected(config);
  for (const std::string id : {"u1", "u2", "u3", "u4", "u5"}) {
    const auto each = deliver(*destination, batch_of({R"({ "n" : 1.0 })", "{}"}, "signup", id));
    REQUIRE(each.size() == 1);
    CHECK(each[0].kind == Kind::delivered);
  }
  const auto messages = kafka.messages("events", kPartitions);
  REQUIRE(messages.size() == 10);
  for (const auto& message : messages) {
    const auto hash = murmur2(message.key) & 0x7fffffffU;
    CHECK(message.partition == static_cast<int>(hash % kPartitions));
    CHECK(message.timestamp == 1'760'000'000'000);
    REQUIRE(message.headers.size() == 2);
    CHECK(message.headers[0] == std::pair<std::string, std::string>("uuid", Uuid::v5({}, message.value).to_string()));
    CHECK(message.headers[1] == std::pair<std::string, std::string>("from", "shop/web"));
  }
  CHECK(messages[0].value == R"({ "n" : 1.0 })");
  CHECK(messages[1].value == "{}");
}

TEST_CASE("the settings say what a message is made of") {
  MockKafka kafka;
  kafka.create("events", 1);
  auto config = to(kafka);
  config.key = "{event}:{distinct_id}";
  config.time = MessageTime::timestamp;
  config.format = Format::envelope;
  config.compression = destinations::kafka::Compression::lz4;
  const auto destination = connected(config);
  deliver(*destination, batch_of({R"({"a":1})", R"({"b":2})"}));
  const auto messages = kafka.messages("events", 1);
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].key == "signup:u1");
  CHECK(messages[0].timestamp == 1'700'000'000'000);
  CHECK(messages[0].value.starts_with("{\"uuid\":\""));
  CHECK(messages[0].value.ends_with(R"("data":{"a":1}})"));
  CHECK(messages[1].value.ends_with(R"("data":{"b":2}})"));
}

TEST_CASE("an event without what the key is made of has none") {
  MockKafka kafka;
  kafka.create("events", 1);
  const auto destination = connected(to(kafka));
  deliver(*destination, batch_of({"{}"}, "signup", ""));
  CHECK_FALSE(kafka.messages("events", 1).at(0).has_key);
}

TEST_CASE("a topic with facts in its name is each event's own") {
  MockKafka kafka;
  for (const auto* topic : {"shop.signup", "shop._pageview", "shop.Order_Completed"}) kafka.create(topic, 1);
  const auto destination = connected(to(kafka, "{project}.{event}"));
  for (const auto* event : {"signup", "$pageview", "Order Completed"}) {
    CHECK(deliver(*destination, batch_of({"{}"}, event)).at(0).kind == Kind::delivered);
  }
  for (const auto* topic : {"shop.signup", "shop._pageview", "shop.Order_Completed"}) {
    CHECK(kafka.messages(topic, 1).size() == 1);
  }
  const auto too_long = deliver(*destination, batch_of({"{}"}, std::string(250, 'x')));
  CHECK(too_long.at(0).kind == Kind::rejected);
  CHECK(too_long.at(0).code == "invalid_topic");
}

TEST_CASE("events that make a topic each are refused before the client drowns in them") {
  MockKafka kafka;
  auto config = to(kafka, "{event}");
  const auto destination = connected(config);
  kafka.set_round_trip(60'000);  // so that no topic has to be made: nothing is written
  std::vector<std::future<Outcomes>> waiting;
  for (int n = 0; n < 1000; ++n) waiting.push_back(submit(*destination, batch_of({"{}"}, "e" + std::to_string(n))));
  const auto refused = deliver(*destination, batch_of({"{}"}, "one_more"));
  CHECK(refused.at(0).kind == Kind::rejected);
  CHECK(refused.at(0).reason == "topic 'one_more' would be one more than the 1000 that a destination writes to");
}

TEST_CASE("an event that is too large is rejected by itself") {
  MockKafka kafka;
  kafka.create("events", 1);
  const auto destination = connected(to(kafka));
  const auto each = deliver(*destination, batch_of({R"({"a":1})", "\"" + std::string(1'100'000, 'x') + "\"", R"({"a":2})"}));
  REQUIRE(each.size() == 3);
  CHECK(each[0].kind == Kind::delivered);
  CHECK(each[1].kind == Kind::rejected);
  CHECK(each[1].code == "msg_size_too_large");
  CHECK(each[1].reason == "topic 'events' does not take a message of 1100002 bytes");
  CHECK(each[2].kind == Kind::delivered);
  CHECK(kafka.messages("events", 1).size() == 2);
}

TEST_CASE("what the broker answers becomes the outcome of each event") {
  struct Row {
    rd_kafka_resp_err_t error;
    Kind kind;
  };
  for (const auto& [error, kind] : {Row{RD_KAFKA_RESP_ERR_INVALID_RECORD, Kind::rejected},
                                    Row{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Kind::unavailable}}) {
    MockKafka kafka;
    kafka.create("events", 1);
    const auto destination = connected(to(kafka));
    kafka.fail_writes(error, 1);
    const auto each = deliver(*destination, batch_of({"{}", "{}"}));
    REQUIRE(each.size() == 2);
    CHECK(each[0].kind == kind);
    CHECK(each[1].kind == kind);
  }
}

TEST_CASE(
    "of a batch that a topic finds too large each event is tried by itself, and only those that are too large are "
    "rejected") {
  MockKafka kafka;
  kafka.create("events", 1);
  for (const auto format : {Format::body, Format::envelope}) {
    auto config = to(kafka);
    config.topic = "{event}s";  // nobody says how much it takes
    config.format = format;
    const auto destination = connected(config);
    kafka.fail_writes(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 2);  // the batch, then the first that is alone
    const auto each = deliver(*destination, batch_of({R"({"a":1})", R"({"a":2})", R"({"a":3})"}, "event"));
    REQUIRE(each.size() == 3);
    CHECK(std::ranges::count(each, Kind::rejected, &Outcome::kind) == 1);
    CHECK(std::ranges::count(each, Kind::delivered, &Outcome::kind) == 2);
  }
  const auto messages = kafka.messages("events", 1);
  REQUIRE(messages.size() == 4);
  CHECK(messages.front().value.starts_with(R"({"a":)"));
  CHECK(messages.back().value.contains(R"("data":{"a":)"));
}

TEST_CASE("what the client can try again it tries again, and nothing comes twice") {
  MockKafka kafka;
  kafka.create("events", 1);
  const auto destination = connected(to(kafka));
  kafka.fail_writes(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 2);
  CHECK(deliver_one(*destination).kind == Kind::delivered);
  CHECK(kafka.messages("events", 1).size() == 1);
}

TEST_CASE("without a broker there is no connection, and the reason is soon known") {
  Config config{.brokers = {"127.0.0.1:1"}, .topic = "events", .headers = {}, .client = {}};
  const auto destination = make(config);
  const auto started = std::chrono::steady_clock::now();
  const auto done = destination->connect({});
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(4));
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::unavailable);
  CHECK(done.error().message.starts_with("no broker can be reached: "));
  CHECK(done.error().message.contains("Connection refused"));
}

TEST_CASE("a topic that is not there, or not for us, is named when connecting") {
  MockKafka kafka;
  kafka.create("events", 1);
  for (const auto& [error, message] :
       {std::pair{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic 'events' does not exist; create it, or correct its name"},
        std::pair{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                  "no permission for topic 'events'; allow this user to describe it and to write to it"}}) {
    kafka.fail_topic("events", error);
    const auto done = make(to(kafka))->connect({});
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message == message);
  }
}

TEST_CASE("a broker that goes away makes it unavailable, and what was held arrives when it is back") {
  MockKafka kafka;
  kafka.create("events", 1);
  auto config = to(kafka);
  config.timeout = Duration(1000);
  const auto destination = connected(config);
  CHECK(deliver_one(*destination).kind == Kind::delivered);
  kafka.set_up(false);
  const auto outcome = deliver_one(*destination, R"({"a":2})");
  CHECK(outcome.kind == Kind::unavailable);
  CHECK(outcome.code == "msg_timed_out");
  CHECK(outcome.reason.starts_with("the brokers did not answer in time"));
  CHECK_FALSE(destination->connect({}).has_value());
  kafka.set_up(true);
  wait_until([&] { return destination->connect({}).has_value(); });
  CHECK(deliver_one(*destination, R"({"a":2})").kind == Kind::delivered);
  CHECK(kafka.messages("events", 1).size() == 2);
}

TEST_CASE("closing waits for no broker") {
  MockKafka kafka;
  kafka.create("events", 1);
  const auto destination = connected(to(kafka));
  kafka.set_round_trip(60'000);
  std::vector<std::future<Outcomes>> waiting;
  for (int n = 0; n < 4; ++n) waiting.push_back(submit(*destination, batch_of({"{}", "{}"})));
  const auto started = std::chrono::steady_clock::now();
  destination->close();
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
  for (auto& each : waiting) {
    REQUIRE(each.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
    CHECK(each.get().each.at(0).kind == Kind::unavailable);
  }
  CHECK(deliver_one(*destination).code == "closed");
}

TEST_CASE("after an error from which the client cannot recover there is a new client") {
  MockKafka kafka;
  kafka.create("events", 1);
  const auto destination = connected(to(kafka));
  CHECK(deliver_one(*destination).kind == Kind::delivered);
  kafka.fail_writes(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, 1);
  kafka.fail_writes(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
  std::vector<Outcome> seen;
  wait_until([&] {
    seen.push_back(deliver_one(*destination));
    if (seen.back().kind == Kind::delivered) return true;
    CHECK(seen.back().kind == Kind::unavailable);
    CHECK(destination->connect({}).has_value());
    return false;
  });
}

TEST_CASE("the client's statistics are metrics, and say that it is gone") {
  MockKafka kafka;
  kafka.create("events", 1);
  telemetry::Metrics metrics;
  auto config = to(kafka);
  config.client.emplace_back("statistics.interval.ms", "50");
  const auto destination = connected(config, &metrics);
  deliver_one(*destination);
  const auto up = "penstock_kafka_broker_up{broker=\"" + kafka.address() + "\",destination=\"out\"} ";
  wait_until([&] { return metrics.render().contains(up + "1"); });
  wait_until([&] { return metrics.render().contains("penstock_kafka_queue_messages{destination=\"out\"} 0"); });
  CHECK(metrics.render().contains("penstock_kafka_broker_round_trip_seconds{"));
  destination->close();
  CHECK(metrics.render().contains(up + "0"));
}

TEST_CASE("kafka keeps the contract of destinations") {
  MockKafka kafka;
  kafka.create("events", 1);
  conformance::destination_conformance({
      .make = [&] { return make(to(kafka)); },
      .received =
          [&] {
            std::vector<std::string> bodies;
            for (auto& message : kafka.messages("events", 1)) bodies.push_back(std::move(message.value));
            return bodies;
          },
      .break_connect = [&] { kafka.set_up(false); },
      .mend_connect = [&] { kafka.set_up(true); },
  });
}
