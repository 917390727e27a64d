#include "connectors/destinations/webhook/webhook_destination.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>

#include "pipeline/config/document.h"
#include "pipeline/http/content_encoding.h"
#include "pipeline/http/curl_client.h"
#include "pipeline/http/server.h"
#include "tests/conformance/destination_conformance.h"
#include "tests/fakes/loopback.h"
#include "tests/fakes/manual_clock.h"

using namespace penstock;
using namespace penstock::destinations::webhook;
using Config = WebhookDestination::Config;
using Kind = Outcome::Kind;

namespace {

http::CurlClient& client() {
  static const auto http = *http::CurlClient::start();
  return *http;
}

// A receiver that remembers requests and answers what the test says.
class Receiver {
 public:
  using Answer = std::function<http::ServerReply(const http::ServerRequest&)>;
  explicit Receiver(Answer answer = [](const auto&) { return http::ServerReply{}; }) : answer_(std::move(answer)) {
    server_ = *http::HttpServer::start({}, [this](http::ServerRequest request, http::Responder respond) {
      auto reply = answer_(request);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
      }
      respond(std::move(reply));
    });
  }
  std::string url() const { return "http://" + server_->address() + "/hook/secret?key=secret"; }
  std::string host() const { return server_->address(); }
  std::vector<http::ServerRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  http::ServerRequest only() const {
    REQUIRE(requests().size() == 1);
    return requests()[0];
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<http::ServerRequest> requests_;
  std::unique_ptr<http::HttpServer> server_;
};

const fakes::ManualClock& fixed_clock() {
  static const fakes::ManualClock clock;
  return clock;
}

std::unique_ptr<WebhookDestination> webhook(std::string url, Config config = {}) {
  config.url = config::Url(std::move(url));
  return std::make_unique<WebhookDestination>(std::move(config), ConnectorContext{"crm", ".", fixed_clock(), client()});
}

Batch batch_of(std::vector<std::string> bodies, bool one_id = false) {
  auto texts = std::make_shared<const std::vector<std::string>>(std::move(bodies));
  Batch batch;
  for (const auto& body : *texts) {
    EventView event;
    event.body = body;
    event.facts.event = "signup";
    if (one_id) event.facts.distinct_id = "u1";
    batch.events.push_back(event);
    batch.bytes += body.size();
  }
  batch.keeps.push_back(std::move(texts));
  return batch;
}

std::vector<Outcome> deliver(WebhookDestination& destination, Batch batch) {
  std::promise<Outcomes> promise;
  auto outcomes = promise.get_future();
  destination.submit(std::move(batch), [&](Outcomes each) { promise.set_value(std::move(each)); });
  REQUIRE(outcomes.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  return outcomes.get().each;
}

Outcome deliver_one(WebhookDestination& destination) {
  auto each = deliver(destination, batch_of({R"({"a":1})"}));
  REQUIRE(each.size() == 1);
  return each[0];
}

// From a peer that plays this script, with its address cut out of the reason.
Outcome outcome_from(std::function<void(fakes::Wire)> script) {
  Config config;
  config.timeout = Duration(200);
  const fakes::Peer peer(std::move(script));
  auto outcome = deliver_one(*webhook(peer.url() + "/secret", config));
  CHECK_FALSE(outcome.reason.contains("secret"));
  const auto host = "127.0.0.1:" + std::to_string(peer.port());
  if (const auto at = outcome.reason.find(host); at != std::string::npos) outcome.reason.replace(at, host.size(), "peer");
  return outcome;
}

}  // namespace

TEST_CASE("a batch is one request in the format asked for") {
  struct Row {
    Format format;
    std::string type, body;
  };
  for (const auto& [format, type, body] :
       std::vector<Row>{{Format::json_array, "application/json", R"([{"n":1.0},{ "b" : 2 }])"},
                        {Format::ndjson, "application/x-ndjson", "{\"n\":1.0}\n{ \"b\" : 2 }\n"}}) {
    const Receiver receiver;
    Config config;
    config.format = format;
    const auto each = deliver(*webhook(receiver.url(), config), batch_of({R"({"n":1.0})", R"({ "b" : 2 })"}));
    REQUIRE(each.size() == 1);
    CHECK(each[0].kind == Kind::delivered);
    const auto request = receiver.only();
    CHECK(request.method == "POST");
    CHECK(request.path == "/hook/secret");
    CHECK(*request.header("content-type") == type);
    CHECK(request.body == body);
  }
}

TEST_CASE("a line of NDJSON stays one line") {
  const Receiver receiver;
  Config config;
  config.format = Format::ndjson;
  deliver(*webhook(receiver.url(), config), batch_of({"{\r\n \"a\":1\n}", "{}"}));
  CHECK(receiver.only().body == "{   \"a\":1 }\n{}\n");
}

TEST_CASE("single sends each event as its own request, those of one id in order") {
  const Receiver receiver([](const auto& request) { return http::ServerReply{.status = request.body == "7" ? 422 : 200}; });
  Config config;
  config.format = Format::single;
  config.method = Method::put;
  std::vector<std::string> bodies;
  for (int i = 0; i < 20; ++i) bodies.push_back(std::to_string(i));
  const auto each = deliver(*webhook(receiver.url(), config), batch_of(bodies, true));
  REQUIRE(each.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) CHECK(each[i].kind == (i == 7 ? Kind::rejected : Kind::delivered));
  const auto requests = receiver.requests();
  REQUIRE(requests.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) CHECK(requests[i].body == bodies[i]);
  CHECK(requests[0].method == "PUT");
}

TEST_CASE("single stops at an answer that is about the receiver") {
  std::atomic<int> asked = 0;
  const Receiver receiver([&](const auto&) { return http::ServerReply{.status = ++asked <= 10 ? 200 : 503}; });
  Config config;
  config.format = Format::single;
  const auto each = deliver(*webhook(receiver.url(), config), batch_of(std::vector<std::string>(100, "{}")));
  REQUIRE(each.size() == 100);
  const auto delivered = std::count_if(each.begin(), each.end(), [](const auto& o) { return o.kind == Kind::delivered; });
  const auto unavailable = std::count_if(each.begin(), each.end(), [](const auto& o) { return o.code == "http_503"; });
  CHECK(delivered == 10);
  CHECK(unavailable == 90);
  CHECK(asked <= 14);
}

TEST_CASE("an envelope has the facts, headers and token go along, compression is named") {
  using Named = penstock::destinations::webhook::Compression;
  for (const auto compression : {Named::gzip, Named::zstd}) {
    const Receiver receiver;
    Config config;
    config.body = Body::envelope;
    config.headers = {{"X-Team", "growth"}, {"content-type", "application/vnd.x+json"}};
    config.token = config::Secret("s3cret");
    config.compression = compression;
    deliver_one(*webhook(receiver.url(), config));
    const auto request = receiver.only();
    CHECK(*request.header("x-team") == "growth");
    CHECK(*request.header("content-type") == "application/vnd.x+json");
    CHECK(*request.header("authorization") == "Bearer s3cret");
    const auto plain = http::inflate(request.body, *http::encoding_from_name(*request.header("content-encoding")), 1_MiB);
    REQUIRE(plain.has_value());
    CHECK(plain->starts_with(R"([{"uuid":"00000000-)"));
    CHECK(plain->ends_with(R"("data":{"a":1}}])"));
  }
}

TEST_CASE("an answer's status decides, and its text is the reason") {
  struct Row {
    int status;
    Kind kind;
    std::string reason;
  };
  for (const auto& [status, kind, reason] : std::vector<Row>{
           {200, Kind::delivered, ""},
           {204, Kind::delivered, ""},
           {302, Kind::unavailable, "302 from HOST (redirects are not followed: use the final address): out of tea"},
           {400, Kind::rejected, "400 from HOST: out of tea"},
           {401, Kind::unavailable, "401 from HOST (check the token): out of tea"},
           {404, Kind::unavailable, "404 from HOST (check the address): out of tea"},
           {409, Kind::rejected, "409 from HOST: out of tea"},
           {413, Kind::rejected, "413 from HOST: out of tea"},
           {422, Kind::rejected, "422 from HOST: out of tea"},
           {429, Kind::unavailable, "429 from HOST: out of tea"},
           {500, Kind::unavailable, "500 from HOST: out of tea"}}) {
    CAPTURE(status);
    const Receiver receiver([&](const auto&) { return http::ServerReply{.status = status, .body = "out\nof tea\n"}; });
    const auto outcome = deliver_one(*webhook(receiver.url()));
    CHECK(outcome.kind == kind);
    auto expected = reason;
    if (const auto at = expected.find("HOST"); at != std::string::npos) expected.replace(at, 4, receiver.host());
    CHECK(outcome.reason == expected);
    CHECK(outcome.limited == (status == 429));
  }
}

TEST_CASE("Retry-After is passed on") {
  const Receiver receiver([](const auto&) { return http::ServerReply{.status = 429, .headers = {{"Retry-After", "7"}}}; });
  CHECK(deliver_one(*webhook(receiver.url())).retry_after == Duration(7000));
}

TEST_CASE("peers that hang, break off or talk nonsense are unavailable") {
  const auto hang = outcome_from([](fakes::Wire wire) { wire.read_to_end(); });
  CHECK(hang.code == "timeout");
  CHECK(hang.reason == "peer gave no complete answer within 200ms");
  const auto frozen = outcome_from(
      [](fakes::Wire wire) { wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab"), wire.read_to_end(); });
  CHECK(frozen.code == "timeout");
  const auto reset = outcome_from([](fakes::Wire wire) {
    wire.read_until("]"), wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab"), wire.reset();
  });
  CHECK(reset.code == "network");
  CHECK(reset.reason == "peer reset the connection");
  const auto garbage = outcome_from([](fakes::Wire wire) { wire.read_until("]"), wire.send("SSH-2.0-OpenSSH_9.2\r\n"); });
  CHECK(garbage.reason == "peer did not answer in HTTP");
  for (const auto& outcome : {hang, frozen, reset, garbage}) CHECK(outcome.kind == Kind::unavailable);
}

TEST_CASE("closing waits for what is on its way, and refuses what comes later") {
  const fakes::Peer hangs([](fakes::Wire wire) { wire.read_to_end(); });
  for (const auto format : {Format::json_array, Format::single}) {
    Config config;
    config.timeout = Duration(100);
    config.format = format;
    const auto destination = webhook(hangs.url(), config);
    std::atomic<int> answered = 0;
    for (int i = 0; i < 3; ++i) destination->submit(batch_of({"{}", "{}"}), [&](Outcomes) { ++answered; });
    destination->close();
    CHECK(answered == 3);
    CHECK(deliver_one(*destination).code == "stopped");
  }
}

TEST_CASE("settings that HTTP cannot carry are problems at their place") {
  const auto problems_of = [](const std::string& yaml) {
    auto document = config::parse_document("url: https://crm.example\n" + yaml, "p.yaml", {});
    config::StructReader reader(document.root, "crm", document.problems);
    Config config;
    reader.read(config);
    return document.problems.empty() ? "" : document.problems[0].message;
  };
  CHECK(problems_of("headers: { X-Ok: fine }") == "");
  CHECK(problems_of("headers: { 'X Bad': a }") == "'X Bad' is not a name that a header can have");
  CHECK(problems_of("headers: { X: \"a\\nb\" }") == "the value of 'X' is not one line of text");
  CHECK(problems_of("headers: { Content-Length: '5' }") == "'Content-Length' is set by the request itself; leave it out");
}

namespace {
void keeps_the_contract(Format format) {
  Config config;
  config.format = format;
  std::atomic<bool> down = false;
  std::mutex mutex;
  std::vector<std::string> taken;  // guarded by mutex; by line
  const Receiver receiver([&](const http::ServerRequest& request) {
    http::ServerReply reply;
    if (down) {
      reply.status = 503;
      return reply;
    }
    const std::lock_guard lock(mutex);
    std::string_view rest = request.body;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      taken.emplace_back(line);
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
    return reply;
  });
  conformance::destination_conformance({
      .make = [&] { return webhook(receiver.url(), config); },
      .received =
          [&] {
            const std::lock_guard lock(mutex);
            return taken;
          },
      .break_writes = [&] { down = true; },
      .mend_writes = [&] { down = false; },
  });
}
}  // namespace

TEST_CASE("webhook keeps the contract of destinations, in batches") { keeps_the_contract(Format::ndjson); }
TEST_CASE("webhook keeps the contract of destinations, one by one") { keeps_the_contract(Format::single); }
