#include "connectors/destinations/webhook/webhook_destination.h"

#include <fmt/core.h>

#include "pipeline/event/envelope.h"
#include "pipeline/http/content_encoding.h"
#include "pipeline/http/outcomes.h"

namespace penstock::destinations::webhook {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kConcurrentSingles = 4;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool contains(const Headers& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return same_name(header.first, name); });
}

// What RFC 9110 calls a token.
bool is_header_name(std::string_view name) {
  constexpr std::string_view kAlso = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || kAlso.contains(c);
  });
}

bool is_one_line(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

http::Encoding encoding_of(Compression compression) {
  switch (compression) {
    case Compression::gzip: return http::Encoding::gzip;
    case Compression::zstd: return http::Encoding::zstd;
    case Compression::none: break;
  }
  return http::Encoding::identity;
}

Headers headers_of(const WebhookDestination::Config& config) {
  Headers headers = config.headers;
  if (!contains(headers, "content-type")) {
    headers.emplace_back("Content-Type", config.format == Format::ndjson ? "application/x-ndjson" : "application/json");
  }
  if (!config.token.empty()) headers.emplace_back("Authorization", "Bearer " + config.token.reveal());
  if (config.compression != Compression::none) {
    headers.emplace_back("Content-Encoding", http::to_string(encoding_of(config.compression)));
  }
  return headers;
}

void append_event(std::string& out, const EventView& event, Body body) {
  if (body == Body::envelope) {
    append_envelope(out, event);
  } else {
    out += event.body;
  }
}

std::string write(const Batch& batch, Format format, Body body) {
  std::string out;
  out.reserve(batch.bytes + batch.events.size() * (body == Body::envelope ? 300 : 2) + 2);
  if (format == Format::ndjson) {
    for (const auto& event : batch.events) append_line(out, event, body == Body::envelope);
    return out;
  }
  out += '[';
  for (const auto& event : batch.events) {
    if (out.size() > 1) out += ',';
    append_event(out, event, body);
  }
  out += ']';
  return out;
}

std::string write(const EventView& event, Body body) {
  std::string out;
  append_event(out, event, body);
  return out;
}

}  // namespace

void WebhookDestination::Config::check(config::StructReader& reader) const {
  for (const auto& [name, value] : headers) {
    if (!is_header_name(name)) reader.problem("headers", fmt::format("'{}' is not a name that a header can have", name));
    if (!is_one_line(value)) reader.problem("headers", fmt::format("the value of '{}' is not one line of text", name));
    for (const std::string_view ours : {"content-length", "content-encoding", "transfer-encoding", "host", "expect"}) {
      if (same_name(name, ours))
        reader.problem("headers", fmt::format("'{}' is set by the request itself; leave it out", name));
    }
  }
  if (!is_one_line(token.reveal()))
    reader.problem("token", "expected one line of text; does the file end with a line break?");
  if (!token.empty() && contains(headers, "authorization")) {
    reader.problem("token", "set either 'token' or the header 'Authorization', not both");
  }
}

// A batch of format `single` on its way. Events of one distinct id are in one lane and follow each other.
struct WebhookDestination::OneByOne {
  struct Lane {
    std::vector<std::size_t> events;  // their indices in the batch
    std::size_t next = 0;             // of `events`; touched by whoever has the lane's turn
  };

  OneByOne(Batch events, Completion completion) : batch(std::move(events)), done(std::move(completion)) {
    outcomes.each.resize(batch.events.size());
    for (std::size_t i = 0; i < batch.events.size(); ++i) {
      const auto lane = std::hash<std::string_view>()(batch.events[i].facts.distinct_id) % lanes.size();
      lanes[batch.events[i].facts.distinct_id.empty() ? i % lanes.size() : lane].events.push_back(i);
    }
  }

  const Batch batch;
  Completion done;
  Outcomes outcomes;
  std::array<Lane, kConcurrentSingles> lanes;
  std::size_t lanes_busy = 0;
  std::optional<Outcome> stopped;  // by an answer that is about the receiver
};

WebhookDestination::WebhookDestination(Config config, const ConnectorContext& context)
    : config_(std::move(config)), headers_(headers_of(config_)), clock_(context.clock), http_(context.http) {}

WebhookDestination::~WebhookDestination() { close(); }

Result<void> WebhookDestination::connect(std::stop_token) {
  const std::lock_guard lock(mutex_);
  closed_ = false;
  return {};
}

void WebhookDestination::submit(Batch batch, Completion done) {
  if (!begin()) return done(Outcomes::all(http::outcome_of(Error{ErrorKind::stopped, "the webhook is closed"})));
  if (batch.events.empty()) {
    done(Outcomes::all(Outcome::delivered()));
    return settled();
  }
  if (config_.format == Format::single) return submit_one_by_one(std::move(batch), std::move(done));
  http_.send(request(write(batch, config_.format, config_.body)),
             [this, done = std::move(done)](const Result<HttpReply>& reply) mutable {
               done(Outcomes::all(outcome(reply)));
               settled();
             });
}

void WebhookDestination::submit_one_by_one(Batch batch, Completion done) {
  auto made = std::make_unique<OneByOne>(std::move(batch), std::move(done));
  auto& run = *made;
  // Decided before the first is sent: its answer may come at once, and with the last one `run` is gone.
  std::vector<std::size_t> begun;
  for (std::size_t lane = 0; lane < run.lanes.size(); ++lane) {
    if (!run.lanes[lane].events.empty()) begun.push_back(lane);
  }
  run.lanes_busy = begun.size();
  {
    const std::lock_guard lock(mutex_);
    one_by_one_.emplace(&run, std::move(made));
  }
  for (const auto lane : begun) send_next(run, lane);
}

void WebhookDestination::send_next(OneByOne& run, std::size_t lane) {
  const auto index = run.lanes[lane].events[run.lanes[lane].next++];
  http_.send(request(write(run.batch.events[index], config_.body)),
             [this, &run, lane, index](const Result<HttpReply>& reply) { on_answer(run, lane, index, outcome(reply)); });
}

void WebhookDestination::on_answer(OneByOne& run, std::size_t lane, std::size_t index, Outcome outcome) {
  auto& each = run.outcomes.each;
  std::unique_lock lock(mutex_);
  if (outcome.kind == Outcome::Kind::unavailable && !run.stopped) run.stopped = outcome;
  each[index] = std::move(outcome);
  if (closed_ && !run.stopped) {
    run.stopped = Outcome{Outcome::Kind::unavailable, "closed", "the destination was closed before it was sent", {}, false};
  }
  if (!run.stopped && run.lanes[lane].next < run.lanes[lane].events.size()) {
    lock.unlock();
    return send_next(run, lane);
  }
  if (--run.lanes_busy > 0) return;
  for (const auto& [events, next] : run.lanes) {
    for (auto i = next; i < events.size(); ++i) {
      each[events[i]] = *run.stopped;
      each[events[i]].untried = true;
    }
  }
  const auto finished = one_by_one_.extract(&run);
  lock.unlock();
  run.done(std::move(run.outcomes));
  settled();
}

void WebhookDestination::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  all_settled_.wait(lock, [&] { return unsettled_ == 0; });
}

bool WebhookDestination::begin() {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  ++unsettled_;
  return true;
}

void WebhookDestination::settled() {
  const std::lock_guard lock(mutex_);
  if (--unsettled_ == 0) all_settled_.notify_all();  // with the lock: after it, close() may return and this be destroyed
}

HttpRequest WebhookDestination::request(std::string body) const {
  HttpRequest made;
  made.method = std::string(config::name_of(config_.method));
  made.url = config_.url.text();
  made.headers = headers_;
  made.body =
      config_.compression == Compression::none ? std::move(body) : http::compress(body, encoding_of(config_.compression));
  made.timeout = config_.timeout;
  return made;
}

Outcome WebhookDestination::outcome(const Result<HttpReply>& reply) const {
  return reply ? http::outcome_of(*reply, config_.url.host(), clock_.now()) : http::outcome_of(reply.error());
}

void register_in(Registry& registry) { registry.destinations.add<WebhookDestination>("webhook"); }

}  // namespace penstock::destinations::webhook
