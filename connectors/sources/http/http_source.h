#pragma once
// Takes events over HTTP: POST a JSON object, an array of them, or one per line; gzip and zstd are understood.
//
// One request is one atomic append. The answer 200 {"accepted": N, "rejected": M, "errors": [{"index", "reason"}, …]} comes
// once they are durable; rejected ones are dead letters then. 400: not readable, nothing stored. 503 with Retry-After: the
// log takes nothing at this moment, or too much is in flight. A client that repeats on 503 loses nothing.
//
// Splitting and decompressing run on the server's one thread.

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/config/fields.h"
#include "pipeline/event/json.h"
#include "pipeline/http/server.h"
#include "pipeline/ports/source.h"
#include "pipeline/registry/registry.h"

namespace penstock::sources::http {

class HttpSource final : public PushedSource {
 public:
  struct Config {
    config::ListenAddress listen;
    std::string path = "/events";
    config::Secret token;
    Bytes body_max = 20_MiB;
    std::uint32_t events_max = 50'000;
    Bytes in_flight_max = 32_MiB;

    static constexpr auto fields() {
      using config::field;
      using config::Need;
      using config::range;
      return std::tuple{
          field("listen", &Config::listen, "Address and port to listen on; port 0 is any free one.", Need::required),
          field("path", &Config::path, "Where to POST events to."),
          field("token", &Config::token, "If set, requests need the header \"Authorization: Bearer <token>\"."),
          field("body_max", &Config::body_max, "The largest body of a request, once decompressed; more is answered 413.",
                range(1_KiB, 128_MiB)),
          field("events_max", &Config::events_max, "The most events in one request; more are answered 413.",
                range(1, 1'000'000)),
          field("in_flight_max", &Config::in_flight_max,
                "All requests being received or stored, together; beyond it they are answered 503 and come again.",
                range(1_MiB, 64_GiB))};
    }
    void check(config::StructReader& reader) const;
    std::vector<Claim> claims() const { return {{.field = "listen", .address = listen}}; }
  };

  static constexpr std::string_view kSummary = "Takes events that are POSTed as JSON, in arrays or line by line.";
  static constexpr std::string_view kExample =
      "listen: 127.0.0.1:8000\n"
      "path: /events\n"
      "body_max: 20MiB\n";

  HttpSource(Config config, const ConnectorContext& context);
  ~HttpSource() override;

  Result<void> start(Intake& intake) override;
  void stop() override;
  bool finished() const override { return false; }

  static Bytes memory(const Config& config) { return config.in_flight_max; }

  int port() const;  // 0 before start()

 private:
  // The same, with refusals counted.
  penstock::http::Responder counted(penstock::http::Responder respond);
  void handle(penstock::http::ServerRequest request, penstock::http::Responder respond);
  void take(penstock::http::ServerRequest request, penstock::http::Responder respond);
  Result<std::string> plain_body(penstock::http::ServerRequest& request) const;
  void push(PushedRecords records, penstock::http::Responder respond);
  bool reserve(std::size_t bytes);
  void answered(std::size_t bytes);

  const Config config_;
  const std::string name_;
  json::Validator validator_;  // the server's thread only
  Intake* intake_ = nullptr;   // set by start, before there are requests

  std::mutex mutex_;
  std::condition_variable nothing_in_flight_;  // with mutex_
  std::size_t pushes_ = 0;                     // guarded by mutex_; not answered yet
  std::size_t bytes_ = 0;                      // guarded by mutex_; of those

  std::unique_ptr<penstock::http::HttpServer> server_;  // last: its thread uses all of the above
};

}  // namespace penstock::sources::http
