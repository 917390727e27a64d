#include "connectors/sources/http/http_source.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <atomic>
#include <thread>
#include <vector>

#include "pipeline/config/document.h"
#include "pipeline/http/content_encoding.h"
#include "pipeline/http/curl_client.h"
#include "tests/conformance/pushed_source_conformance.h"
#include "tests/fakes/fake_intake.h"
#include "tests/fakes/loopback.h"
#include "tests/fakes/manual_clock.h"

using namespace penstock;
using namespace penstock::sources::http;
using fakes::FakeIntake;
using fakes::Wire;
using Config = HttpSource::Config;
using Bodies = std::vector<std::string>;

namespace {

// A started source, its intake, and a way to ask it.
struct Rig {
  explicit Rig(Config config = {}) : source(std::move(config), ConnectorContext{"web", ".", clock, no_client()}) {
    REQUIRE(source.start(intake).has_value());
  }

  // What a client would get for this request; `headers` are whole lines.
  std::string ask(std::string_view method, std::string_view path, std::string_view body = "",
                  std::string_view headers = "") {
    auto wire = Wire::connect(source.port());
    send(wire, method, path, body, headers);
    return wire.read_message();
  }
  static void send(Wire& wire, std::string_view method, std::string_view path, std::string_view body,
                   std::string_view headers = "") {
    wire.send(fmt::format("{} {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}", method, path, body.size(), headers,
                          body));
  }
  std::string post(std::string_view body, std::string_view headers = "") { return ask("POST", "/events", body, headers); }

  static HttpClient& no_client() {
    static const auto client = *penstock::http::CurlClient::start();
    return *client;
  }

  fakes::ManualClock clock;
  FakeIntake intake;
  HttpSource source;
};

std::string status_of(const std::string& message) { return message.size() < 12 ? "none" : message.substr(9, 3); }
std::string body_of(const std::string& message) { return message.substr(message.find("\r\n\r\n") + 4); }

// Sources that follow one another on one port, and their clients.
struct OnePort {
  std::unique_ptr<PushedSource> make() {
    Config config;
    config.listen = {"127.0.0.1", port};
    auto made = std::make_unique<HttpSource>(config, ConnectorContext{"web", ".", clock, Rig::no_client()});
    last = made.get();
    return made;
  }
  void send(const Bodies& bodies) {
    if (last->port() != 0) port = last->port();
    std::string lines;
    for (const auto& body : bodies) lines += body + "\n";
    try {
      auto wire = Wire::connect(port);
      Rig::send(wire, "POST", "/events", lines, "Content-Type: application/x-ndjson\r\n");
      wires.push_back(std::move(wire));
    } catch (const std::runtime_error&) {
      return;  // nobody listens any more
    }
  }
  // Somebody else takes the port.
  void occupy() {
    Config config;
    config.listen = {"127.0.0.1", 0};
    other = std::make_unique<HttpSource>(config, ConnectorContext{"other", ".", clock, Rig::no_client()});
    REQUIRE(other->start(others_intake).has_value());
    port = other->port();
  }

  fakes::ManualClock clock;
  FakeIntake others_intake;
  int port = 0;
  HttpSource* last = nullptr;
  std::unique_ptr<HttpSource> other;
  std::vector<Wire> wires;
};

}  // namespace

TEST_CASE("http keeps the contract of pushed sources") {
  OnePort rig;
  conformance::pushed_source_conformance({
      .make = [&] { return rig.make(); },
      .send = [&](const Bodies& bodies) { rig.send(bodies); },
      .break_start = [&] { rig.occupy(); },
      .mend_start = [&] { rig.other.reset(); },
  });
}

TEST_CASE("events are pushed as one record and answered when they are durable") {
  Rig rig;
  rig.intake.cork();
  auto wire = Wire::connect(rig.source.port());
  Rig::send(wire, "POST", "/events", R"([{"event":"a"},{"event":"b"}])");
  REQUIRE(rig.intake.wait_for_pushes(1));
  rig.intake.uncork();
  CHECK(body_of(wire.read_message()) == "{\"accepted\":2,\"rejected\":0,\"errors\":[]}\n");
  CHECK(rig.intake.pushes() == std::vector<Bodies>{{R"({"event":"a"})", R"({"event":"b"})"}});
}

TEST_CASE("objects, arrays and lines are understood, compressed or not") {
  using penstock::http::compress;
  using penstock::http::Encoding;
  Rig rig;
  CHECK(status_of(rig.post("{\"a\":1}")) == "200");
  CHECK(status_of(rig.post("{\"a\":1}\n{\"b\":2}\n", "Content-Type: application/x-ndjson\r\n")) == "200");
  CHECK(status_of(rig.post(compress("[{\"a\":1}]", Encoding::gzip), "Content-Encoding: gzip\r\n")) == "200");
  CHECK(status_of(rig.post(compress("[{\"a\":1}]", Encoding::gzip))) == "200");
  CHECK(status_of(rig.post(compress("[{\"a\":1}]", Encoding::zstd), "Content-Encoding: zstd\r\n")) == "200");
  CHECK(rig.intake.pushes() ==
        std::vector<Bodies>{{"{\"a\":1}"}, {"{\"a\":1}", "{\"b\":2}"}, {"{\"a\":1}"}, {"{\"a\":1}"}, {"{\"a\":1}"}});
}

TEST_CASE("a bad line is rejected with its index, the others are accepted") {
  Rig rig;
  CHECK(body_of(rig.post("{\"a\":1}\nbad\n{\"b\":2}\n")) ==
        "{\"accepted\":2,\"rejected\":1,\"errors\":[{\"index\":1,\"reason\":\"expected a JSON object\"}]}\n");
}

TEST_CASE("whatever is refused is counted by its status, whoever refused it") {
  Config config;
  config.body_max = 64_KiB;
  Rig rig(config);
  rig.post("{\"a\":1}");
  rig.post("no json");
  rig.ask("POST", "/elsewhere", "{}");
  rig.ask("PUT", "/events", "{}");
  rig.post(std::string(65 << 10, ' '));
  auto wire = Wire::connect(rig.source.port());
  wire.send("no HTTP\r\n\r\n");
  wire.read_message();
  rig.intake.fail_with(Error{ErrorKind::unavailable, "the disk is full"});
  rig.post("{\"a\":1}");
  CHECK(rig.intake.refused() == std::vector<std::string>{"400", "404", "405", "413", "400", "503"});
}

TEST_CASE("an answer lists a bounded number of errors") {
  Rig rig;
  std::string body = "{}\n";
  for (int i = 0; i < 1500; ++i) body += "bad\n";
  const auto answer = rig.post(body);
  CHECK(answer.contains("\"rejected\":1500"));
  CHECK(answer.contains("\"errors_left_out\":500}"));
}

TEST_CASE("what cannot be read is refused and nothing is stored") {
  using penstock::http::compress;
  using penstock::http::Encoding;
  Config config;
  config.body_max = 64_KiB;
  config.events_max = 10;
  Rig rig(config);
  struct Row {
    std::string body, headers, status, sentence;
  };
  for (const auto& [body, headers, status, sentence] : std::vector<Row>{
           {"", "", "400", "the body is empty"},
           {"nonsense", "", "400", "the body cannot be read: invalid JSON"},
           {"[{},", "", "400", "the body cannot be read"},
           {"{}", "Content-Encoding: gzip\r\n", "400", "the body is not valid gzip"},
           {"{}", "Content-Encoding: br\r\n", "415", "Content-Encoding"},
           {std::string(65537, ' '), "", "413", "the body is larger than 64KiB"},
           {compress(std::string(10 << 20, ' '), Encoding::gzip), "", "413", "larger than 64KiB once decompressed"},
           {compress(std::string(10 << 20, ' '), Encoding::zstd), "", "413", "larger than 64KiB once decompressed"},
           {"[{},{},{},{},{},{},{},{},{},{},{}]", "", "413", "more than 10 events"}}) {
    CAPTURE(body.substr(0, 100));
    const auto answer = rig.post(body, headers);
    CHECK(status_of(answer) == status);
    CHECK(body_of(answer).starts_with("{\"error\": \""));
    CHECK(answer.contains(sentence));
  }
  CHECK(rig.intake.pushes().empty());
}

TEST_CASE("an intake that takes nothing now is a 503 to repeat") {
  Rig rig;
  rig.intake.fail_with(Error{ErrorKind::unavailable, "the log is full"});
  const auto answer = rig.post("{}");
  CHECK(status_of(answer) == "503");
  CHECK(answer.contains("Retry-After: 1\r\n"));
  CHECK(body_of(answer) == "{\"error\": \"the log is full\"}\n");
  rig.intake.fail_with({});
  CHECK(status_of(rig.post("{}")) == "200");
}

TEST_CASE("methods and paths") {
  Rig rig;
  CHECK(rig.ask("GET", "/").contains("POST events to /events"));
  CHECK(status_of(rig.ask("GET", "/events")) == "200");
  CHECK(status_of(rig.ask("GET", "/other")) == "404");
  CHECK(status_of(rig.ask("POST", "/other", "{}")) == "404");
  CHECK(status_of(rig.ask("POST", "/events?x=1", "{}")) == "200");
  const auto put = rig.ask("PUT", "/events", "{}");
  CHECK(status_of(put) == "405");
  CHECK(put.contains("Allow: POST, GET, HEAD, OPTIONS\r\n"));
  CHECK(rig.ask("OPTIONS", "/events").starts_with("HTTP/1.1 204"));
}

TEST_CASE("with a token set, requests without it are refused") {
  Config config;
  config.token = config::Secret("s3cret");
  config.path = "/in";
  Rig rig(config);
  for (const std::string header :
       {"", "Authorization: Bearer wrong\r\n", "Authorization: Basic s3cret\r\n", "Authorization: Bearer\r\n"}) {
    const auto answer = rig.ask("POST", "/in", "{}", header);
    CHECK(status_of(answer) == "401");
    CHECK(answer.contains("WWW-Authenticate: Bearer\r\n"));
    CHECK_FALSE(answer.contains("s3cret"));
  }
  CHECK(status_of(rig.ask("POST", "/in", "{}", "authorization: bearer s3cret\r\n")) == "200");
}

TEST_CASE("requests beyond the bytes in flight come again later") {
  Config config;
  config.body_max = 600_KiB;
  config.in_flight_max = 1_MiB;
  Rig rig(config);
  rig.intake.cork();
  const auto large = "{\"a\":\"" + std::string(550'000, 'x') + "\"}";
  auto first = Wire::connect(rig.source.port());
  Rig::send(first, "POST", "/events", large);
  REQUIRE(rig.intake.wait_for_pushes(1));
  CHECK(status_of(rig.post(large)) == "503");
  rig.intake.uncork();
  CHECK(status_of(first.read_message()) == "200");
  CHECK(status_of(rig.post(large)) == "200");
}

TEST_CASE("many clients push at once and each gets its own answer") {
  Rig rig;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 8; ++c) {
      clients.emplace_back([&, c] {
        auto wire = Wire::connect(rig.source.port());
        for (int i = 0; i < 25; ++i) {
          std::string body;
          for (int k = 0; k <= c; ++k) body += "{}\n";
          Rig::send(wire, "POST", "/events", body);
          if (wire.read_message().contains(fmt::format("\"accepted\":{},", c + 1))) ++good;
        }
      });
    }
  }
  CHECK(good == 200);
  CHECK(rig.intake.pushes().size() == 200);
}

TEST_CASE("stopping answers what was pushed, then nobody listens") {
  Rig rig;
  rig.intake.cork();
  auto wire = Wire::connect(rig.source.port());
  Rig::send(wire, "POST", "/events", "{}");
  REQUIRE(rig.intake.wait_for_pushes(1));
  auto idle = Wire::connect(rig.source.port());
  std::jthread stopping([&] { rig.source.stop(); });
  CHECK(idle.closed_by_peer());
  rig.intake.uncork();
  CHECK(status_of(wire.read_to_end()) == "200");
  stopping.join();
  CHECK_THROWS(Wire::connect(rig.source.port()));
}

TEST_CASE("an address in use is named") {
  Rig rig;
  Config config;
  config.listen = {"127.0.0.1", rig.source.port()};
  HttpSource second(config, ConnectorContext{"web", ".", rig.clock, Rig::no_client()});
  const auto started = second.start(rig.intake);
  REQUIRE(!started.has_value());
  CHECK(started.error().message.contains(fmt::format("127.0.0.1:{}: Address already in use", rig.source.port())));
}

TEST_CASE("settings that contradict each other are problems") {
  const auto problem_of = [](const std::string& yaml) {
    auto document = config::parse_document("listen: 127.0.0.1:0\n" + yaml, "p.yaml", {});
    config::StructReader reader(document.root, "web", document.problems);
    Config config;
    reader.read(config);
    return document.problems.empty() ? "" : document.problems[0].path + " " + document.problems[0].message;
  };
  CHECK(problem_of("path: /in") == "");
  CHECK(problem_of("path: events").starts_with("web.path expected a path"));
  CHECK(problem_of("body_max: 100MiB").starts_with("web.in_flight_max must be at least body_max"));
}
