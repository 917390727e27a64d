#include "pipeline/http/curl_client.h"

#include <doctest/doctest.h>

#include <future>
#include <set>
#include <vector>

#include "pipeline/http/server.h"
#include "tests/fakes/loopback.h"

using namespace penstock;
using namespace penstock::http;
using fakes::Peer;
using fakes::Wire;

namespace {

std::unique_ptr<CurlClient> client(CurlClientOptions options = {}) {
  auto started = CurlClient::start(std::move(options));
  REQUIRE(started.has_value());
  return *std::move(started);
}

std::future<Result<HttpReply>> send(HttpClient& http, HttpRequest request) {
  std::promise<Result<HttpReply>> promise;
  auto future = promise.get_future();
  http.send(std::move(request),
            [promise = std::move(promise)](Result<HttpReply> reply) mutable { promise.set_value(std::move(reply)); });
  return future;
}

// What went wrong with a peer that plays this script, without its address.
std::string error_from(std::function<void(Wire)> script, Duration timeout = Duration(5000)) {
  const Peer peer(std::move(script));
  const auto http = client();
  const auto reply = send(*http, {.url = peer.url() + "/secret", .body = "{}", .timeout = timeout}).get();
  if (reply) return "no error";
  const auto host = "127.0.0.1:" + std::to_string(peer.port()) + " ";
  CHECK(reply.error().message.starts_with(host));
  CHECK_FALSE(reply.error().message.contains("secret"));
  return reply.error().message.substr(host.size());
}

Handler tell() {
  return [](ServerRequest request, Responder respond) {
    ServerReply reply{.status = 201, .body = request.method + " " + request.path + " " + request.body};
    if (const auto* type = request.header("content-type")) reply.headers.emplace_back("X-Type", *type);
    if (const auto* expect = request.header("expect")) reply.headers.emplace_back("X-Expect", *expect);
    if (const auto* user = request.header("user-agent")) reply.headers.emplace_back("X-User", *user);
    reply.headers.emplace_back("X-Remote", request.remote);
    respond(std::move(reply));
  };
}

}  // namespace

TEST_CASE("a request goes out as it is and its answer comes back") {
  const auto server = *HttpServer::start({}, tell());
  const auto http = client();
  const auto url = "http://" + server->address() + "/hook";
  const auto reply = send(*http, {.url = url, .headers = {{"Content-Type", "application/json"}}, .body = "{\"a\":1}"}).get();
  REQUIRE(reply.has_value());
  CHECK(reply->status == 201);
  CHECK(reply->body == "POST /hook {\"a\":1}");
  CHECK(*reply->header("x-type") == "application/json");
  CHECK(reply->header("x-user")->starts_with("penstock/"));
  CHECK(reply->header("x-expect") == nullptr);
  for (const std::string method : {"GET", "PUT", "PATCH", "DELETE"}) {
    CHECK(send(*http, {.method = method, .url = url, .body = method == "GET" ? "" : "x"}).get()->body ==
          method + " /hook " + (method == "GET" ? "" : "x"));
  }
  const auto untyped = send(*http, {.url = url, .body = "x"}).get();
  CHECK(untyped->header("x-type") == nullptr);
}

TEST_CASE("connections are used again") {
  const auto server = *HttpServer::start({}, tell());
  const auto http = client();
  const HttpRequest request{.url = "http://" + server->address() + "/"};
  const auto first = *send(*http, request).get()->header("x-remote");
  for (int i = 0; i < 5; ++i) CHECK(*send(*http, request).get()->header("x-remote") == first);
}

TEST_CASE("many requests at once are all answered, over a bounded number of connections") {
  const auto server = *HttpServer::start({}, tell());
  const auto http = client({.connections_per_host_max = 4});
  std::vector<std::future<Result<HttpReply>>> replies;
  for (int i = 0; i < 300; ++i) {
    const std::string url = "http://" + server->address() + "/" + std::to_string(i);
    replies.push_back(send(*http, {.url = url, .timeout = Duration(60'000)}));  // a busy machine takes its time
  }
  std::set<std::string> remotes;
  for (int i = 0; i < 300; ++i) {
    const auto reply = replies[static_cast<std::size_t>(i)].get();
    REQUIRE(reply.has_value());
    CHECK(reply->body == "POST /" + std::to_string(i) + " ");
    remotes.insert(*reply->header("x-remote"));
  }
  CHECK(remotes.size() <= 4);
}

TEST_CASE("a host that hangs takes no turn from another, and what waits for it is told when the client stops") {
  const Peer hangs([](Wire wire) { wire.read_to_end(); });
  const auto server = *HttpServer::start({}, tell());
  const auto http = client({.connections_max = 3, .connections_per_host_max = 2});
  std::vector<std::future<Result<HttpReply>>> held;
  for (int i = 0; i < 5; ++i) held.push_back(send(*http, {.url = hangs.url()}));
  for (int i = 0; i < 20; ++i) CHECK(send(*http, {.url = "http://" + server->address() + "/"}).get().has_value());
  http->stop();
  for (auto& reply : held) CHECK(reply.get().error().kind == ErrorKind::stopped);
}

TEST_CASE("redirects are answers like others") {
  const auto server = *HttpServer::start({}, [](ServerRequest, Responder respond) {
    respond({.status = 302, .headers = {{"Location", "http://127.0.0.1:1/"}}});
  });
  const auto http = client();
  CHECK(send(*http, {.url = "http://" + server->address() + "/"}).get()->status == 302);
}

TEST_CASE("a long answer is cut, not stored") {
  const auto server =
      *HttpServer::start({}, [](ServerRequest, Responder respond) { respond({.body = std::string(1 << 20, 'x')}); });
  const auto http = client();
  const auto reply = send(*http, {.url = "http://" + server->address() + "/", .answer_max = Bytes{1000}}).get();
  REQUIRE(reply.has_value());
  CHECK(reply->status == 200);
  CHECK(reply->body.size() == 1000);
  CHECK(reply->truncated);
  const auto exact = send(*http, {.url = "http://" + server->address() + "/", .answer_max = 1_MiB}).get();
  CHECK(exact->body.size() == 1 << 20);
  CHECK_FALSE(exact->truncated);
}

TEST_CASE("what a bad peer does is said in a few words") {
  CHECK(error_from([](Wire wire) { wire.read_until("{}"); }) == "closed the connection without an answer");
  CHECK(error_from([](Wire wire) { wire.read_until("{}"), wire.reset(); }) == "reset the connection");
  CHECK(error_from([](Wire wire) { wire.read_until("{}"), wire.send("220 mail.example ESMTP\r\n"); }) ==
        "did not answer in HTTP");
  CHECK(error_from([](Wire wire) { wire.read_until("{}"), wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"); }) ==
        "closed the connection in the middle of its answer");
  for (const auto* head :
       {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX-Cut: he", "HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n"}) {
    CHECK(error_from([head](Wire wire) { wire.read_until("{}"), wire.send(head); }) ==
          "closed the connection in the middle of its answer");
  }
  CHECK(error_from([](Wire wire) {
          wire.read_until("{}"), wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), wire.reset();
        }) == "reset the connection");
  CHECK(error_from([](Wire wire) {
          wire.read_until("{}"), wire.send("HTTP/1.1 200 OK\r\n");
          while (wire.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {}
        }) == "answered with more than 64 KiB of headers");
}

TEST_CASE("a peer that hangs costs the timeout") {
  CHECK(error_from([](Wire wire) { wire.read_to_end(); }, Duration(100)) == "gave no complete answer within 100ms");
  CHECK(error_from([](Wire wire) { wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), wire.read_to_end(); },
                   Duration(100)) == "gave no complete answer within 100ms");
  const Peer hangs([](Wire wire) { wire.read_to_end(); });
  const auto http = client();
  const auto reply = send(*http, {.url = hangs.url(), .timeout = Duration(100)}).get();
  CHECK(reply.error().kind == ErrorKind::limit);
}

TEST_CASE("a deadline holds for requests that wait for their turn") {
  const Peer hangs([](Wire wire) { wire.read_to_end(); });
  const auto http = client({.connections_per_host_max = 1});
  auto first = send(*http, {.url = hangs.url(), .timeout = Duration(1000)});
  auto second = send(*http, {.url = hangs.url(), .timeout = Duration(100)});
  CHECK(second.get().error().message.ends_with("was busy with other requests and was not asked within 100ms"));
  CHECK_FALSE(first.get().has_value());
}

TEST_CASE("nobody listens, no such name, not a URL") {
  int closed = 0;
  {
    const Peer peer([](Wire) {});
    closed = peer.port();
  }
  const auto http = client();
  const auto refused =
      send(*http, {.url = "http://user:secret@127.0.0.1:" + std::to_string(closed) + "/secret?secret"}).get();
  CHECK(refused.error().message == "127.0.0.1:" + std::to_string(closed) + " refused the connection");
  const auto unknown = send(*http, {.url = "http://nowhere.invalid/secret"}).get();
  CHECK(unknown.error().message == "nowhere.invalid cannot be reached: its name does not resolve");
  CHECK(send(*http, {.url = "http://"}).get().error().kind == ErrorKind::invalid);
  CHECK(send(*http, {.url = "file:///etc/passwd"}).get().error().kind == ErrorKind::invalid);
  CHECK(send(*http, {.url = "http://127.0.0.1/", .headers = {{"X", "a\r\nEvil: yes"}}}).get().error().kind ==
        ErrorKind::invalid);
}

TEST_CASE("a peer without TLS is named when TLS was asked for") {
  const auto server = *HttpServer::start({}, tell());
  const auto http = client();
  const auto reply = send(*http, {.url = "https://" + server->address() + "/secret"}).get();
  REQUIRE(!reply.has_value());
  CHECK(reply.error().message.starts_with(server->address() + " failed TLS: "));
}

TEST_CASE("stopping answers everything that waits, and what comes later") {
  const Peer hangs([](Wire wire) { wire.read_to_end(); });
  const auto http = client();
  std::vector<std::future<Result<HttpReply>>> replies;
  for (int i = 0; i < 10; ++i) replies.push_back(send(*http, {.url = hangs.url(), .timeout = Duration(60'000)}));
  http->stop();
  replies.push_back(send(*http, {.url = hangs.url()}));
  for (auto& reply : replies) CHECK(reply.get().error().kind == ErrorKind::stopped);
}

TEST_CASE("more requests than may wait are refused") {
  const Peer hangs([](Wire wire) { wire.read_to_end(); });
  const auto http = client({.requests_max = 2});
  auto first = send(*http, {.url = hangs.url(), .timeout = Duration(60'000)});
  auto second = send(*http, {.url = hangs.url(), .timeout = Duration(60'000)});
  CHECK(send(*http, {.url = hangs.url()}).get().error().message.contains("2 requests are waiting"));
  http->stop();
}
