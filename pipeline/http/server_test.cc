#include "pipeline/http/server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "tests/fakes/loopback.h"

using namespace penstock;
using namespace penstock::http;
using fakes::Wire;

namespace {

// Says what it was sent.
void echo(ServerRequest request, Responder respond) {
  respond({.body = request.method + " " + request.path + " " + request.body, .content_type = "text/plain"});
}

std::unique_ptr<HttpServer> serve(HttpServerOptions options = {}, Handler handler = echo) {
  auto server = HttpServer::start(std::move(options), std::move(handler));
  REQUIRE(server.has_value());
  return *std::move(server);
}

std::string ask(const HttpServer& server, std::string_view bytes) {
  auto wire = Wire::connect(server.port());
  wire.send(bytes);
  return wire.read_message();
}

std::string body_of(const std::string& message) { return message.substr(message.find("\r\n\r\n") + 4); }
std::string status_of(const std::string& message) { return message.size() < 12 ? "none" : message.substr(9, 3); }

constexpr std::string_view kPost = "POST /events HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";

// Keeps the responders of the requests it was given.
struct Holder {
  std::mutex mutex;
  std::condition_variable came;
  std::vector<Responder> held;

  Handler handler() {
    return [this](ServerRequest, Responder respond) {
      const std::lock_guard lock(mutex);
      held.push_back(std::move(respond));
      came.notify_all();
    };
  }
  void answer(std::size_t index, std::string body) {
    std::unique_lock lock(mutex);
    auto respond = std::move(held[index]);
    lock.unlock();
    respond({.body = std::move(body)});
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    return came.wait_for(lock, std::chrono::seconds(10), [&] { return held.size() >= count; });
  }
};

}  // namespace

TEST_CASE("a request is answered and the connection is kept") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  for (int i = 0; i < 3; ++i) {
    wire.send(kPost);
    const auto message = wire.read_message();
    CHECK(status_of(message) == "200");
    CHECK(body_of(message) == "POST /events {}");
    CHECK(message.contains("Date: "));
  }
}

TEST_CASE("requests sent without waiting are answered in order") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  std::string many;
  for (int i = 0; i < 50; ++i) many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  wire.send(many);
  for (int i = 0; i < 50; ++i) CHECK(body_of(wire.read_message()) == "GET /" + std::to_string(i) + " ");
}

TEST_CASE("a chunked body arrives whole") {
  const auto server = serve();
  CHECK(body_of(
            ask(*server,
                "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")) ==
        "POST /c abcde");
}

TEST_CASE("HEAD has the size and no body") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  wire.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto head = wire.read_until("\r\n\r\n");
  CHECK(head.contains("Content-Length: 8\r\n"));
  wire.send("GET /y HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(wire.read_until("GET /y ").starts_with("HTTP/1.1 200"));
}

TEST_CASE("HTTP/1.0 and Connection: close end the connection after the answer") {
  const auto server = serve();
  for (const std::string_view request :
       {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"}) {
    auto wire = Wire::connect(server->port());
    wire.send(request);
    CHECK(wire.read_to_end().ends_with("GET / "));
  }
}

TEST_CASE("an HTTP/1.0 client that asks to keep the connection is told that it is kept") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  for (int i = 0; i < 2; ++i) {
    wire.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(wire.read_message().contains("Connection: keep-alive\r\n"));
  }
}

TEST_CASE("a client that has finished sending is still answered") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  wire.send(kPost);
  wire.finish_sending();
  CHECK(wire.read_to_end().ends_with("POST /events {}"));
}

TEST_CASE("Expect: 100-continue is told to go on before the body is read") {
  const auto server = serve();
  auto wire = Wire::connect(server->port());
  wire.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(wire.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  wire.send("abc");
  CHECK(body_of(wire.read_message()) == "POST / abc");
}

TEST_CASE("what is too large, malformed or cut is refused in one sentence") {
  const auto server = serve({.body_max = Bytes{100}, .header_max = Bytes{1000}});
  struct Row {
    std::string request, status, sentence;
  };
  for (const auto& [request, status, sentence] : std::vector<Row>{
           {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", "413", "the body is larger than 100B"},
           {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n", "413", "larger"},
           {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n" + std::string(128, 'x') +
                "\r\n0\r\n\r\n",
            "413", "the body is larger than 100B"},
           {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", "431",
            "the headers are larger than 1000B"},
           {"hello\r\n\r\n", "400", "not a valid HTTP request"},
           {"GET / HTTP/1.1\r\n\r\n", "400", "needs a Host header"},
           {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400", "'%'"},
           {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400", "not a valid HTTP request"}}) {
    CAPTURE(request);
    const auto message = ask(*server, request);
    CHECK(status_of(message) == status);
    CHECK(body_of(message).contains(sentence));
  }
  auto cut = Wire::connect(server->port());
  cut.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nabc");
  cut.finish_sending();
  CHECK(cut.read_to_end().contains("ended before it was complete"));
}

TEST_CASE("a refusal reaches a client that is still sending") {
  const auto server = serve({.body_max = 1_KiB});
  auto wire = Wire::connect(server->port());
  wire.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
  for (int i = 0; i < 400; ++i) wire.send(std::string(10'000, 'x'));
  CHECK(status_of(wire.read_message()) == "413");
}

TEST_CASE("a request that never gets finished is closed in time") {
  const auto server = serve({.request_timeout = Duration(100)});
  for (const std::string_view part :
       {"G", "GET / HTTP/1.1\r\nHost: h\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"}) {
    auto wire = Wire::connect(server->port());
    wire.send(part);
    CHECK(wire.closed_by_peer());
  }
}

TEST_CASE("sending a byte now and then does not extend the time") {
  const auto server = serve({.request_timeout = Duration(200)});
  auto wire = Wire::connect(server->port());
  const auto begin = std::chrono::steady_clock::now();
  wire.send("GET / HTTP/1.1\r\nHost: h\r\nX: ");
  std::mutex never;
  std::condition_variable tick;
  std::unique_lock lock(never);
  while (wire.send("x") && std::chrono::steady_clock::now() - begin < std::chrono::seconds(8)) {
    tick.wait_for(lock, std::chrono::milliseconds(20));  // the slow peer's own pace
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("an idle connection is closed in time") {
  const auto server = serve({.idle_timeout = Duration(50)});
  auto wire = Wire::connect(server->port());
  wire.send(kPost);
  wire.read_message();
  CHECK(wire.closed_by_peer());
}

TEST_CASE("idle connections make room for new ones") {
  const auto server = serve({.connections_max = 4});
  std::vector<Wire> idle;
  for (int i = 0; i < 12; ++i) {
    auto wire = Wire::connect(server->port());
    wire.send(kPost);
    CHECK(status_of(wire.read_message()) == "200");
    idle.push_back(std::move(wire));
  }
}

TEST_CASE("connections that never say anything make room too") {
  const auto server = serve({.connections_max = 3});
  std::vector<Wire> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(Wire::connect(server->port()));
  CHECK(status_of(ask(*server, kPost)) == "200");
}

TEST_CASE("busy connections make new ones wait, not fail") {
  Holder holder;
  const auto server = serve({.connections_max = 2}, holder.handler());
  std::vector<Wire> wires;
  for (int i = 0; i < 3; ++i) wires.push_back(Wire::connect(server->port())), wires.back().send(kPost);
  REQUIRE(holder.wait_for(2));
  holder.answer(0, "ok");
  CHECK(status_of(wires[0].read_message()) == "200");
  REQUIRE(holder.wait_for(3));
  holder.answer(1, "ok");
  holder.answer(2, "ok");
  CHECK(status_of(wires[1].read_message()) == "200");
  CHECK(status_of(wires[2].read_message()) == "200");
}

TEST_CASE("beyond the bytes in flight a request is told to come again") {
  Holder holder;
  const auto server = serve({.in_flight_bytes_max = 10_KiB}, holder.handler());
  const std::string large = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000\r\n\r\n" + std::string(8000, 'x');
  auto first = Wire::connect(server->port());
  first.send(large);
  REQUIRE(holder.wait_for(1));
  const auto refused = ask(*server, large);
  CHECK(status_of(refused) == "503");
  CHECK(refused.contains("Retry-After: 1\r\n"));
  holder.answer(0, "ok");
  CHECK(status_of(first.read_message()) == "200");
  auto again = Wire::connect(server->port());
  again.send(large);
  CHECK(holder.wait_for(2));
}

TEST_CASE("a responder that is dropped answers 500") {
  const auto server = serve({}, [](ServerRequest, Responder) {});
  CHECK(status_of(ask(*server, kPost)) == "500");
}

TEST_CASE("replies from many threads reach the right connections") {
  Holder holder;
  const auto server = serve({}, holder.handler());
  std::vector<Wire> wires;
  for (std::size_t i = 0; i < 20; ++i) {
    wires.push_back(Wire::connect(server->port()));
    wires.back().send(kPost);
    REQUIRE(holder.wait_for(i + 1));
  }
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < 20; ++i) {
      threads.emplace_back([&, i] { holder.answer(i, std::to_string(i)); });
    }
  }
  for (std::size_t i = 0; i < 20; ++i) CHECK(body_of(wires[i].read_message()) == std::to_string(i));
}

TEST_CASE("a reply after the client left, or after the server ended, is nothing") {
  Holder holder;
  {
    const auto server = serve({}, holder.handler());
    auto gone = Wire::connect(server->port());
    gone.send(kPost);
    REQUIRE(holder.wait_for(1));
    gone.reset();
    holder.answer(0, "late");
    auto here = Wire::connect(server->port());
    here.send(kPost);
    REQUIRE(holder.wait_for(2));
  }
  holder.answer(1, "late");
}

TEST_CASE("stopping lets what is in flight be answered, and refuses the rest") {
  Holder holder;
  const auto server = serve({}, holder.handler());
  auto idle = Wire::connect(server->port());
  auto busy = Wire::connect(server->port());
  busy.send(kPost);
  REQUIRE(holder.wait_for(1));
  auto reading = Wire::connect(server->port());
  reading.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  reading.read_until("\r\n\r\n");
  std::jthread stopping([&] { server->stop(Duration(10'000)); });
  CHECK(idle.closed_by_peer());  // draining has begun
  reading.send("{}");
  CHECK(status_of(reading.read_message()) == "503");
  holder.answer(0, "done");
  CHECK(body_of(busy.read_to_end()) == "done");
}

TEST_CASE("stopping waits no longer than it was told") {
  Holder holder;
  const auto server = serve({}, holder.handler());
  auto busy = Wire::connect(server->port());
  busy.send(kPost);
  REQUIRE(holder.wait_for(1));
  server->stop(Duration(50));
  CHECK(busy.closed_by_peer());
}

TEST_CASE("an address in use is an error that names it") {
  const auto first = serve();
  const auto second = HttpServer::start({.listen = {"127.0.0.1", first->port()}}, echo);
  REQUIRE(!second.has_value());
  CHECK(second.error().kind == ErrorKind::conflict);
  CHECK(second.error().message == "listen on " + first->address() + ": Address already in use");
  CHECK_FALSE(HttpServer::start({.listen = {"203.0.113.1", 0}}, echo).has_value());
  CHECK_FALSE(HttpServer::start({.listen = {"no such host", 0}}, echo).has_value());
}
