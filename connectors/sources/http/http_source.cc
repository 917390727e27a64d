#include "connectors/sources/http/http_source.h"

#include <fmt/core.h>

#include <algorithm>

#include "connectors/sources/http/body.h"
#include "pipeline/base/log.h"
#include "pipeline/http/content_encoding.h"

namespace penstock::sources::http {

using penstock::http::error_reply;
using penstock::http::HttpServer;
using penstock::http::Responder;
using penstock::http::ServerReply;
using penstock::http::ServerRequest;

namespace {

constexpr std::size_t kErrorsMax = 1000;  // in one answer; the dead letters have all of them
constexpr Duration kStopGrace{5000};
constexpr std::string_view kAllowed = "POST, GET, HEAD, OPTIONS";

std::string hint(std::string_view path) {
  return fmt::format(
      "POST events to {}: a JSON object, an array of objects, or one object per line. For example:\n"
      "  curl -d '{{\"event\": \"signup\", \"distinct_id\": \"u1\"}}' http://<this address>{}\n",
      path, path);
}

ServerReply busy(std::string_view why) {
  auto reply = error_reply(503, why);
  reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

ServerReply refused(const Error& error) {
  switch (error.kind) {
    case ErrorKind::limit: return error_reply(413, error.message);
    case ErrorKind::invalid: return error_reply(400, error.message);
    default: return busy(error.message);
  }
}

ServerReply accepted_reply(const Accepted& accepted) {
  auto body = fmt::format("{{\"accepted\":{},\"rejected\":{},\"errors\":[", accepted.accepted, accepted.rejected.size());
  const auto shown = std::min(accepted.rejected.size(), kErrorsMax);
  for (std::size_t i = 0; i < shown; ++i) {
    body += fmt::format("{}{{\"index\":{},\"reason\":", i == 0 ? "" : ",", accepted.rejected[i].index);
    json::append_string(body, accepted.rejected[i].reason);
    body += '}';
  }
  body += ']';
  if (shown < accepted.rejected.size()) body += fmt::format(",\"errors_left_out\":{}", accepted.rejected.size() - shown);
  body += "}\n";
  return {.status = 200, .body = std::move(body)};
}

json::Limits whole_body(const HttpSource::Config& config) {
  json::Limits limits;
  limits.bytes_max = config.body_max.count;
  ++limits.depth_max;  // the array around the events
  return limits;
}

}  // namespace

void HttpSource::Config::check(config::StructReader& reader) const {
  if (!path.starts_with('/') || path.find_first_of("?#% \t") != std::string::npos) {
    reader.problem("path", "expected a path such as /events: it begins with '/' and has no '?', '#', '%' or spaces");
  }
  if (in_flight_max < body_max)
    reader.problem("in_flight_max", "must be at least body_max, or the largest bodies never fit");
}

HttpSource::HttpSource(Config config, const ConnectorContext& context)
    : config_(std::move(config)), name_(context.name), validator_(whole_body(config_)) {}

HttpSource::~HttpSource() { stop(); }

Result<void> HttpSource::start(Intake& intake) {
  intake_ = &intake;
  penstock::http::HttpServerOptions options;
  options.listen = config_.listen;
  options.name = name_;
  options.body_max = config_.body_max;
  options.in_flight_bytes_max = config_.in_flight_max;
  options.on_refusal = [&intake](int status) { intake.refused(std::to_string(status)); };
  TRY_ASSIGN(server_, HttpServer::start(options, [this](ServerRequest request, Responder respond) {
               handle(std::move(request), counted(std::move(respond)));
             }));
  log_info("source", "source {} listens on {}", name_, server_->address());
  return {};
}

void HttpSource::stop() {
  if (server_ != nullptr) server_->stop(kStopGrace);
  std::unique_lock lock(mutex_);
  nothing_in_flight_.wait(lock, [&] { return pushes_ == 0; });
}

int HttpSource::port() const { return server_ == nullptr ? 0 : server_->port(); }

Responder HttpSource::counted(Responder respond) {
  return [this, respond = std::move(respond)](ServerReply reply) mutable {
    if (reply.status >= 400) intake_->refused(std::to_string(reply.status));
    respond(std::move(reply));
  };
}

void HttpSource::handle(ServerRequest request, Responder respond) {
  const bool ours = request.path == config_.path;
  if (request.method == "GET" || request.method == "HEAD") {
    if (!ours && request.path != "/") return respond(error_reply(404, fmt::format("POST events to {}", config_.path)));
    return respond({.status = 200, .body = hint(config_.path), .content_type = "text/plain; charset=utf-8"});
  }
  if (!ours) return respond(error_reply(404, fmt::format("POST events to {}", config_.path)));
  if (request.method == "OPTIONS") {
    ServerReply reply{.status = 204};
    reply.headers.emplace_back("Allow", kAllowed);
    return respond(std::move(reply));
  }
  if (request.method != "POST") {
    auto reply = error_reply(405, fmt::format("POST events to {}; {} means nothing here", config_.path, request.method));
    reply.headers.emplace_back("Allow", kAllowed);
    return respond(std::move(reply));
  }
  const auto token = penstock::http::bearer_token(request).value_or("");
  if (!config_.token.empty() && !penstock::http::equal_secrets(token, config_.token.reveal())) {
    auto reply = error_reply(401, "the header \"Authorization: Bearer <token>\" is missing or has another token");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer");
    return respond(std::move(reply));
  }
  take(std::move(request), std::move(respond));
}

void HttpSource::take(ServerRequest request, Responder respond) {
  const auto* encoding = request.header("content-encoding");
  if (encoding != nullptr && !penstock::http::encoding_from_name(*encoding)) {
    return respond(error_reply(415, "the Content-Encoding is unknown; send gzip, deflate, zstd or none"));
  }
  auto body = plain_body(request);
  if (!body) return respond(refused(body.error()));
  const auto* type = request.header("content-type");
  auto records = split_body(*std::move(body), body_kind(type == nullptr ? "" : *type), config_.events_max, validator_);
  if (!records) return respond(refused(records.error()));
  if (records->bodies.empty()) return respond(accepted_reply({}));
  push(*std::move(records), std::move(respond));
}

Result<std::string> HttpSource::plain_body(ServerRequest& request) const {
  using penstock::http::Encoding;
  const auto* header = request.header("content-encoding");
  auto encoding = header == nullptr ? Encoding::identity : *penstock::http::encoding_from_name(*header);
  if (encoding == Encoding::identity) encoding = penstock::http::encoding_from_magic(request.body);
  if (encoding == Encoding::identity) return std::move(request.body);
  return penstock::http::inflate(request.body, encoding, config_.body_max);
}

void HttpSource::push(PushedRecords records, Responder respond) {
  const auto bytes = records.text.size();
  if (!reserve(bytes)) return respond(busy("too many bytes are being stored at this moment; try again"));
  intake_->push(std::move(records), [this, bytes, respond = std::move(respond)](Result<Accepted> result) mutable {
    respond(result ? accepted_reply(*result) : refused(result.error()));
    answered(bytes);
  });
}

bool HttpSource::reserve(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes_ + bytes > config_.in_flight_max.count) return false;
  bytes_ += bytes;
  ++pushes_;
  return true;
}

void HttpSource::answered(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_ -= bytes;
  if (--pushes_ == 0) nothing_in_flight_.notify_all();  // with the lock: after it, stop() may return and this be destroyed
}

void register_in(Registry& registry) { registry.sources.add<HttpSource>("http"); }

}  // namespace penstock::sources::http
