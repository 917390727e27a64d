// links: http base fmt::fmt
// What the fan-out benchmark sends to: webhooks of every temper, on one port of the loopback, that keep count.
//
//   POST /well/NAME     200
//   POST /frozen/NAME   takes the request and never answers
//   POST /failing/NAME  every twentieth request 503, the others 200
//   GET  /counts        {"NAME": {"requests": …, "events": …, "distinct": …}}, of what was answered with 200
//
// Bodies are NDJSON envelopes. `receiver [PORT]` listens on 127.0.0.1, prints its address on the first line, and ends when its
// standard input does.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "pipeline/http/server.h"

namespace {

using penstock::http::Responder;
using penstock::http::ServerReply;
using penstock::http::ServerRequest;

constexpr std::uint64_t kFailingEvery = 20;
constexpr std::string_view kBeforeUuid = R"({"uuid":")";
constexpr std::size_t kUuidBytes = 36;

// Of one name. The handler runs on the server's one thread.
struct Tally {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;
  std::uint64_t events = 0;
  std::unordered_set<std::string> uuids;

  void take(std::string_view body) {
    ++answered;
    for (std::size_t begin = 0; begin < body.size();) {
      const auto end = std::min(body.find('\n', begin), body.size());
      const auto line = body.substr(begin, end - begin);
      begin = end + 1;
      if (!line.starts_with(kBeforeUuid)) continue;
      ++events;
      uuids.emplace(line.substr(kBeforeUuid.size(), kUuidBytes));
    }
  }
};

class Receiver {
 public:
  void handle(ServerRequest request, Responder respond) {
    if (request.path == "/counts") return respond({.status = 200, .body = counts()});
    auto& tally = tallies_[request.path.substr(request.path.rfind('/') + 1)];
    ++tally.requests;
    if (request.path.starts_with("/frozen/")) return frozen_.push_back(std::move(respond));
    if (request.path.starts_with("/failing/") && tally.requests % kFailingEvery == 0) {
      return respond(penstock::http::error_reply(503, "the twentieth"));
    }
    tally.take(request.body);
    respond({.status = 200});
  }

 private:
  std::string counts() const {
    std::string out = "{";
    for (const auto& [name, tally] : tallies_) {
      out += fmt::format(R"({}"{}": {{"requests": {}, "events": {}, "distinct": {}}})", out.size() == 1 ? "" : ", ", name,
                         tally.answered, tally.events, tally.uuids.size());
    }
    return out + "}";
  }

  std::map<std::string, Tally, std::less<>> tallies_;
  std::vector<Responder> frozen_;
};

}  // namespace

int main(int count, char** arguments) {
  Receiver receiver;
  penstock::http::HttpServerOptions options;
  if (count > 1) options.listen.port = static_cast<std::uint16_t>(std::stoi(arguments[1]));
  options.request_timeout = penstock::Duration(3'600'000);
  auto server = penstock::http::HttpServer::start(options, [&receiver](ServerRequest request, Responder respond) {
    receiver.handle(std::move(request), std::move(respond));
  });
  if (!server) {
    fmt::print(stderr, "receiver: {}\n", server.error().message);
    return 1;
  }
  fmt::print("{}\n", (*server)->address());
  std::fflush(stdout);
  while (std::getchar() != EOF) {}
  (*server)->stop(penstock::Duration(100));
  return 0;
}
