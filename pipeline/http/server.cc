#include "pipeline/http/server.h"

#include <fmt/core.h>

#include <boost/asio/post.hpp>

#include "pipeline/base/log.h"
#include "pipeline/base/thread_pool.h"
#include "pipeline/http/server_core.h"

namespace penstock::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr Duration kAcceptPause{100};   // when the process is out of file descriptors
constexpr Duration kLookForIdle{1000};  // when every connection is in use
constexpr Duration kFreshFor{1000};

// What a Responder holds. Posts exactly one reply, if there is still someone to post it to.
class Ticket {
 public:
  using Post = std::move_only_function<void(ServerReply)>;
  explicit Ticket(Post post) : post_(std::move(post)) {}
  Ticket(Ticket&& other) noexcept : post_(std::exchange(other.post_, nullptr)) {}
  Ticket& operator=(Ticket&&) = delete;
  ~Ticket() {
    if (post_) answer(error_reply(500, "the request was given up without an answer"));
  }
  void answer(ServerReply reply) {
    if (auto post = std::exchange(post_, nullptr)) post(std::move(reply));
  }

 private:
  Post post_;
};

std::unexpected<Error> not_listening(const config::ListenAddress& at, const boost::system::error_code& error) {
  const auto kind = error == asio::error::address_in_use ? ErrorKind::conflict : ErrorKind::io;
  return fail(kind, fmt::format("listen on {}:{}: {}", at.host, at.port, error.message()));
}

}  // namespace

HttpServer::Core::Core(HttpServerOptions wanted, Handler answer_request)
    : options(std::move(wanted)), handler(std::move(answer_request)) {}

HttpServer::Core::~Core() = default;

Result<void> HttpServer::Core::listen() {
  boost::system::error_code error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.listen.host, std::to_string(options.listen.port), tcp::resolver::passive, error);
  if (!error && found.empty()) error = asio::error::host_not_found;
  if (error) return not_listening(options.listen, error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return not_listening(options.listen, error);
  port = acceptor.local_endpoint(error).port();
  if (error) return not_listening(options.listen, error);
  return {};
}

void HttpServer::Core::accept() {
  if (accepting || draining) return;
  if (full() && !close_idlest()) return accept_later(kLookForIdle);
  if (full()) return;  // `remove` goes on
  accepting = true;
  acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
    accepting = false;
    if (draining) return;
    if (error) {
      log_warning(options.name, "cannot take a connection on {}:{}: {}", options.listen.host, port, error.message());
      return accept_later(kAcceptPause);
    }
    const auto id = next_session++;
    auto& session = *sessions.emplace(id, std::make_unique<Session>(*this, id, std::move(socket))).first->second;
    session.read_next();
    accept();
  });
}

void HttpServer::Core::accept_later(Duration pause) {
  accept_again.expires_after(pause);
  accept_again.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) accept();
  });
}

bool HttpServer::Core::full() const { return sessions.size() >= static_cast<std::size_t>(options.connections_max); }

// Clients that keep connections for later, or open them for nothing, must not keep others out. A connection that was just
// opened is given a moment to say something. False when there is none to close.
bool HttpServer::Core::close_idlest() {
  const auto ripe = std::chrono::steady_clock::now() - kFreshFor;
  Session* idlest = nullptr;
  for (const auto& [id, session] : sessions) {
    const auto since = session->idle_since();
    if (!since || (session->fresh() && *since > ripe)) continue;
    if (idlest == nullptr || *since < *idlest->idle_since()) idlest = session.get();
  }
  if (idlest != nullptr) idlest->close();
  return idlest != nullptr;
}

void HttpServer::Core::remove(std::uint64_t session) {
  sessions.erase(session);
  if (draining && sessions.empty()) grace_over.cancel();
  accept();
}

void HttpServer::Core::drain(Duration grace) {
  if (draining) return;
  draining = true;
  boost::system::error_code ignored;  // closing is all we want of them
  acceptor.close(ignored);
  accept_again.cancel();
  work.reset();
  if (sessions.empty()) return;
  grace_over.expires_after(grace);
  grace_over.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) close_all();
  });
  std::vector<Session*> idle;
  for (const auto& [id, session] : sessions) {
    if (session->idle_since()) idle.push_back(session.get());
  }
  for (auto* session : idle) session->close();
}

void HttpServer::Core::close_all() {
  std::vector<Session*> all;
  all.reserve(sessions.size());
  for (const auto& [id, session] : sessions) all.push_back(session.get());
  for (auto* session : all) session->close();
}

Responder HttpServer::Core::responder(std::uint64_t session, std::uint64_t request) {
  auto post = [weak = weak_from_this(), session, request](ServerReply reply) mutable {
    const auto core = weak.lock();
    if (core == nullptr) return;
    asio::post(core->io, [raw = core.get(), session, request, reply = std::move(reply)]() mutable {
      raw->answer(session, request, std::move(reply));
    });
  };
  return [ticket = Ticket(std::move(post))](ServerReply reply) mutable { ticket.answer(std::move(reply)); };
}

void HttpServer::Core::answer(std::uint64_t session, std::uint64_t request, ServerReply reply) {
  const auto found = sessions.find(session);
  if (found != sessions.end()) found->second->answer(request, std::move(reply));
}

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, Handler handler) {
  auto core = std::make_shared<Core>(std::move(options), std::move(handler));
  TRY(core->listen());
  core->accept();
  core->thread = std::thread([raw = core.get()] {
    name_this_thread(raw->options.name);
    raw->io.run();
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

HttpServer::~HttpServer() { stop(Duration(0)); }

int HttpServer::port() const { return core_->port; }

std::string HttpServer::address() const {
  const auto& host = core_->options.listen.host;
  return fmt::format("{}:{}", host.find(':') == host.npos ? host : "[" + host + "]", core_->port);
}

void HttpServer::stop(Duration grace) {
  if (!core_->thread.joinable()) return;
  asio::post(core_->io, [raw = core_.get(), grace] { raw->drain(grace); });
  core_->thread.join();
}

}  // namespace penstock::http
