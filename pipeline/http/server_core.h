#pragma once
// The inside of HttpServer: the listener with its sessions. Included by server.cc and server_session.cc only.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>

#include "pipeline/http/beast_request.h"

namespace penstock::http {

class Session;

// Everything but `options`, `port`, `thread` and `io` belongs to the server's thread.
struct HttpServer::Core : std::enable_shared_from_this<HttpServer::Core> {
  Core(HttpServerOptions wanted, Handler answer);
  ~Core();

  Result<void> listen();
  void accept();
  void drain(Duration grace);
  void close_all();
  void accept_later(Duration pause);
  bool full() const;
  bool close_idlest();
  void remove(std::uint64_t session);  // the session must have no operation under way
  Responder responder(std::uint64_t session, std::uint64_t request);
  void answer(std::uint64_t session, std::uint64_t request, ServerReply reply);

  const HttpServerOptions options;
  Handler handler;
  int port = 0;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  boost::asio::ip::tcp::acceptor acceptor{io};
  boost::asio::steady_timer accept_again{io};
  boost::asio::steady_timer grace_over{io};
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions;
  std::uint64_t next_session = 1;
  std::uint64_t bytes_in_flight = 0;  // of bodies being read or answered
  bool accepting = false;
  bool draining = false;
  std::thread thread;
};

// One connection. At every moment it has one operation under way, or none while the handler has the request: so whoever
// finds it without one may remove it, and an operation that ends finds it alive.
class Session {
 public:
  Session(HttpServer::Core& core, std::uint64_t id, boost::asio::ip::tcp::socket socket);
  ~Session();

  void read_next();
  void answer(std::uint64_t request, ServerReply reply);
  // Ends in removal, at once or when the operation under way has been told.
  void close();

  // Since when it has waited for a request; nullopt when it does not.
  std::optional<SteadyTime> idle_since() const;
  // Has not sent a request yet.
  bool fresh() const { return request_ <= 1 && state_ == State::idle; }

 private:
  enum class State : std::uint8_t { idle, reading, handled, writing, lingering };
  using Error = boost::beast::error_code;

  void read_header();
  void on_header(Error error);
  void read_body();
  void on_body(Error error);
  void refuse(Error error);
  void dispatch();
  void write(ServerReply reply, bool keep_alive);
  void on_written(Error error);
  void linger();
  void count_bytes(std::uint64_t now);
  template <class Next>
  auto then(Next next);  // a completion that goes on with `next`, or removes the session

  HttpServer::Core& core_;
  const std::uint64_t id_;
  boost::beast::tcp_stream stream_;
  std::string remote_;
  boost::beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  State state_ = State::idle;
  SteadyTime state_since_;
  std::uint64_t request_ = 0;  // counts them, so that a late reply meets no other request
  std::uint64_t counted_bytes_ = 0;
  std::uint64_t lingered_bytes_ = 0;
  bool complete_ = false;    // the request was read to its end
  bool keep_alive_ = false;  // the peer wants it
  bool head_ = false;
  unsigned version_ = 11;    // 10 keeps connections only when told so in words
};

}  // namespace penstock::http
