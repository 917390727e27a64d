#include "pipeline/control/control_server.h"

#include <fmt/format.h>

#include <charconv>
#include <mutex>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/control/json_views.h"
#include "pipeline/control/orders.h"
#include "pipeline/http/server.h"

namespace penstock::control {
namespace {

using http::error_reply;
using http::ServerReply;
using http::ServerRequest;

constexpr std::size_t kDeadLimit = 100;
constexpr std::size_t kDeadLimitMax = 1000;
constexpr std::string_view kDeadPrefix = "/api/dead/";
constexpr std::string_view kReplayDead = "/api/dead/replay";
constexpr std::string_view kDiscardDead = "/api/dead/discard";
constexpr std::string_view kDestinationsPrefix = "/api/destinations/";

ServerReply json_reply(std::string body) { return {.status = 200, .body = std::move(body)}; }

int status_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid: return 422;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict: return 409;
    case ErrorKind::unavailable:
    case ErrorKind::stopped: return 503;
    default: return 500;
  }
}

ServerReply error_reply(const Error& error) { return error_reply(status_of(error), error.message); }

std::string parameter(const ServerRequest& request, std::string_view name) {
  const auto* value = request.parameter(name);
  return value == nullptr ? std::string() : *value;
}

Result<std::size_t> read_limit(const ServerRequest& request) {
  const std::string text = parameter(request, "limit");
  if (text.empty()) return kDeadLimit;
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit == 0 || limit > kDeadLimitMax) {
    return fail(ErrorKind::invalid, fmt::format("limit: expected a number from 1 to {}", kDeadLimitMax));
  }
  return limit;
}

}  // namespace

struct ControlServer::Impl {
  Impl(ControlOptions given, topology::Pipeline& running, Replan plan_again)
      : options(std::move(given)), pipeline(running), replan(std::move(plan_again)) {}

  void handle(ServerRequest request, http::Responder respond);
  ServerReply look_up(const ServerRequest& request) const;
  ServerReply order(const ServerRequest& request);
  ServerReply ready() const;
  ServerReply list_dead(const ServerRequest& request) const;
  ServerReply show_dead(const std::string& id) const;
  ServerReply reload_reply();
  ServerReply back_up(const ServerRequest& request);
  ServerReply steer(const ServerRequest& request);
  ServerReply steer_destination(const ServerRequest& request, const std::string& name, const std::string& verb);
  Result<topology::ReloadReport> apply(config::Problems& problems);

  const ControlOptions options;
  topology::Pipeline& pipeline;
  const Replan replan;
  std::mutex reloading;
  // What may block is not done on the server's thread. Orders one after another: a reload waits for destinations to drain, and
  // whoever asks how it goes does not wait for that.
  ThreadPool thread{"control", 1};
  std::unique_ptr<Strand> strand = thread.make_strand();
  ThreadPool reading_thread{"control-read", 1};
  std::unique_ptr<Strand> reading_strand = reading_thread.make_strand();
  ThreadPool backup_thread{"backup", 1};  // copying may take minutes, and others want to know how it goes
  std::unique_ptr<Strand> backup_strand = backup_thread.make_strand();
  ThreadPool letters_thread{"letters", 1};  // so may dead letters, of which there may be millions
  std::unique_ptr<Strand> letters_strand = letters_thread.make_strand();
  std::unique_ptr<http::HttpServer> server;
};

Result<std::unique_ptr<ControlServer>> ControlServer::start(ControlOptions options, topology::Pipeline& pipeline,
                                                            Replan replan) {
  auto impl = std::make_unique<Impl>(std::move(options), pipeline, std::move(replan));
  http::HttpServerOptions http_options;
  http_options.listen = impl->options.listen;
  http_options.name = "control-http";
  http_options.body_max = 1_MiB;
  http_options.connections_max = 64;
  auto server = http::HttpServer::start(http_options, [impl = impl.get()](ServerRequest request, http::Responder respond) {
    impl->handle(std::move(request), std::move(respond));
  });
  if (!server) return fail(std::move(server).error().context("control API"));
  impl->server = *std::move(server);
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ControlServer::~ControlServer() {
  impl_->server->stop(Duration(200));
  impl_->thread.stop();
  impl_->reading_thread.stop();
  impl_->backup_thread.stop();
  impl_->letters_thread.stop();
}

std::string ControlServer::url() const { return "http://" + impl_->server->address(); }

void ControlServer::Impl::handle(ServerRequest request, http::Responder respond) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (request.path == "/health" && get) return respond(json_reply(R"({"status":"alive"})"));
  if (request.path == "/ready" && get) return respond(ready());
  if (request.path == "/metrics" && get) {
    return respond({.status = 200, .body = pipeline.render_metrics(), .content_type = "text/plain; version=0.0.4"});
  }
  if (!request.path.starts_with("/api/")) {
    return respond(
        error_reply(404, "there is /health, /ready, /metrics and /api/…: see the documentation of the control API"));
  }
  const auto token = http::bearer_token(request);
  if (!token || !http::equal_secrets(*token, options.token)) {
    auto reply = error_reply(401, "send the token of data/control.json as Authorization: Bearer …");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer");
    return respond(std::move(reply));
  }
  if (request.path == "/api/backup" && request.method == "POST") {
    backup_strand->post(
        [this, request = std::move(request), respond = std::move(respond)]() mutable { respond(back_up(request)); });
    return;
  }
  if (request.method == "GET") {
    reading_strand->post(
        [this, request = std::move(request), respond = std::move(respond)]() mutable { respond(look_up(request)); });
    return;
  }
  const bool many_letters = request.path == kReplayDead || request.path == kDiscardDead;
  Strand& on = many_letters ? *letters_strand : *strand;
  on.post([this, request = std::move(request), respond = std::move(respond)]() mutable { respond(order(request)); });
}

ServerReply ControlServer::Impl::look_up(const ServerRequest& request) const {
  if (request.path == "/api/status") return json_reply(to_json(pipeline.status()));
  if (request.path == "/api/dead") return list_dead(request);
  if (request.path.starts_with(kDeadPrefix)) return show_dead(request.path.substr(kDeadPrefix.size()));
  return error_reply(404, fmt::format("there is no {} {}", request.method, request.path));
}

ServerReply ControlServer::Impl::order(const ServerRequest& request) {
  if (request.method != "POST") return error_reply(404, fmt::format("there is no {} {}", request.method, request.path));
  return request.path == "/api/reload" ? reload_reply() : steer(request);
}

ServerReply ControlServer::Impl::ready() const {
  if (const auto failure = pipeline.failure()) return error_reply(503, failure->message);
  return json_reply(R"({"status":"ready"})");
}

ServerReply ControlServer::Impl::list_dead(const ServerRequest& request) const {
  const auto limit = read_limit(request);
  if (!limit) return error_reply(limit.error());
  const dead::Filter filter{.stage = parameter(request, "stage"), .code = parameter(request, "code"), .since = {}};
  const dead::Page page{.limit = *limit, .after = parameter(request, "after"), .bodies = false};
  const auto letters = pipeline.list_dead(filter, page);
  if (!letters) return error_reply(letters.error());
  return json_reply(to_json(*letters, page));
}

ServerReply ControlServer::Impl::show_dead(const std::string& id) const {
  const auto letter = pipeline.find_dead(id);
  if (!letter) return error_reply(letter.error());
  return json_reply(to_json(id, *letter));
}

// POST /api/dead/replay|discard, POST /api/destinations/NAME/pause|resume|rate
ServerReply ControlServer::Impl::steer(const ServerRequest& request) {
  const bool replay = request.path == kReplayDead;
  if (replay || request.path == kDiscardDead) {
    const auto choice = read_choice(request.body);
    if (!choice) return error_reply(choice.error());
    auto& steering = pipeline.steering();
    const auto count = replay ? steering.replay_dead(*choice) : steering.discard_dead(*choice);
    return count ? json_reply(fmt::format(R"({{"count":{}}})", *count)) : error_reply(count.error());
  }
  if (request.path.starts_with(kDestinationsPrefix)) {
    const std::string rest = request.path.substr(kDestinationsPrefix.size());
    const auto slash = rest.rfind('/');
    if (slash != std::string::npos) return steer_destination(request, rest.substr(0, slash), rest.substr(slash + 1));
  }
  return error_reply(404, fmt::format("there is no POST {}", request.path));
}

ServerReply ControlServer::Impl::steer_destination(const ServerRequest& request, const std::string& name,
                                                   const std::string& verb) {
  auto& steering = pipeline.steering();
  Result<void> done = fail(ErrorKind::not_found,
                           fmt::format("a destination knows pause, resume, rate, replay and cancel-replay, not {}", verb));
  if (verb == "pause") {
    const auto note = read_note(request.body);
    if (!note) return error_reply(note.error());
    done = steering.pause(name, *note);
  } else if (verb == "resume") {
    done = steering.resume(name);
  } else if (verb == "replay") {
    const auto request_read = read_replay(request.body);
    if (!request_read) return error_reply(request_read.error());
    const auto total = steering.replay(name, *request_read);
    return total ? json_reply(fmt::format(R"({{"events":{}}})", *total)) : error_reply(total.error());
  } else if (verb == "cancel-replay") {
    done = steering.cancel_replay(name);
  } else if (verb == "rate") {
    const auto rate = read_rate(request.body);
    if (!rate) return error_reply(rate.error());
    done = steering.set_rate(name, *rate);
  }
  return done ? json_reply("{}") : error_reply(done.error());
}

ServerReply ControlServer::Impl::back_up(const ServerRequest& request) {
  const auto folder = read_folder(request.body);
  if (!folder) return error_reply(folder.error());
  const auto report = pipeline.steering().back_up(*folder);
  return report ? json_reply(to_json(*report)) : error_reply(report.error());
}

ServerReply ControlServer::Impl::reload_reply() {
  config::Problems problems;
  const auto report = apply(problems);
  if (!problems.empty()) return {.status = 422, .body = to_json(problems)};
  if (!report) return error_reply(report.error());
  return json_reply(to_json(*report));
}

Result<topology::ReloadReport> ControlServer::Impl::apply(config::Problems& problems) {
  const std::lock_guard lock(reloading);
  auto planned = replan();
  if (!planned.plan) {
    problems = std::move(planned.problems);
    for (const auto& problem : problems) log_error("reload", "{}", problem.to_string());
    auto refused = fmt::format("the configuration is invalid ({} problems); nothing was changed", problems.size());
    log_error("reload", "{}", refused);
    return fail(ErrorKind::invalid, std::move(refused));
  }
  auto report = pipeline.reload(*std::move(planned.plan));
  if (!report) {
    log_error("reload", "{}", report.error().message);
    return report;
  }
  for (const auto& change : report->changes) log_info("reload", "{}", change);
  if (report->changes.empty()) log_info("reload", "nothing differs");
  return report;
}

Result<topology::ReloadReport> ControlServer::reload() {
  config::Problems problems;
  return impl_->apply(problems);
}

}  // namespace penstock::control
