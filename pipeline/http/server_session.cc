// One connection of the server: read a request within limits, hand it over, write the answer, again.

#include <fmt/core.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>

#include "pipeline/http/server_core.h"

namespace penstock::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace beast_http = boost::beast::http;

constexpr std::size_t kBodyStep = (32_KiB).count;
constexpr std::size_t kIdleBufferMax = (8_KiB).count;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
// After a refusal the peer may still be sending; closing at once would reset the connection and lose our answer.
constexpr Duration kLinger{2000};
constexpr std::uint64_t kLingerBytesMax = (64_MiB).count;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 40> text{};
  const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return std::string(text.data(), size);
}

std::string remote_of(const asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  return fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

Session::Session(HttpServer::Core& core, std::uint64_t id, asio::ip::tcp::socket socket)
    : core_(core), id_(id), stream_(std::move(socket)), remote_(remote_of(stream_.socket())),
      buffer_(std::max<std::size_t>(core.options.header_max.count, kBodyStep)) {
  boost::system::error_code ignored;  // a socket that is already gone says so at the first read
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

Session::~Session() { count_bytes(0); }

template <class Next>
auto Session::then(Next next) {
  return [this, next](Error error, std::size_t) {
    if (error) return core_.remove(id_);
    next();
  };
}

std::optional<SteadyTime> Session::idle_since() const {
  if (state_ != State::idle && state_ != State::lingering) return std::nullopt;
  return state_since_;
}

void Session::close() {
  if (state_ == State::handled) return core_.remove(id_);
  stream_.close();
}

void Session::count_bytes(std::uint64_t now) {
  core_.bytes_in_flight += now - counted_bytes_;
  counted_bytes_ = now;
}

void Session::read_next() {
  count_bytes(0);
  response_.reset();
  parser_.emplace();
  configure(*parser_, core_.options);
  complete_ = keep_alive_ = head_ = false;
  version_ = 11;
  ++request_;
  if (buffer_.size() > 0) return read_header();  // the peer sends several requests without waiting
  if (buffer_.capacity() > kIdleBufferMax) buffer_.shrink_to_fit();
  state_ = State::idle;
  state_since_ = std::chrono::steady_clock::now();
  stream_.expires_after(core_.options.idle_timeout);
  stream_.async_read_some(buffer_.prepare(kIdleBufferMax / 2), [this](Error error, std::size_t size) {
    if (error) return core_.remove(id_);
    buffer_.commit(size);
    read_header();
  });
}

void Session::read_header() {
  state_ = State::reading;
  stream_.expires_after(core_.options.request_timeout);
  beast_http::async_read_header(stream_, buffer_, *parser_, [this](Error error, std::size_t) { on_header(error); });
}

void Session::on_header(Error error) {
  if (error) return refuse(error);
  const auto& message = parser_->get();
  const bool waits = beast::iequals(message[beast_http::field::expect], "100-continue");
  if (!waits || parser_->is_done() || buffer_.size() > 0) return read_body();
  asio::async_write(stream_, asio::const_buffer(kContinue.data(), kContinue.size()), then([this] { read_body(); }));
}

void Session::read_body() {
  if (parser_->is_done()) return dispatch();
  beast_http::async_read_some(stream_, buffer_, *parser_, [this](Error error, std::size_t) { on_body(error); });
}

void Session::on_body(Error error) {
  if (error) return refuse(error);
  count_bytes(parser_->get().body().size());
  if (core_.bytes_in_flight <= core_.options.in_flight_bytes_max.count) return read_body();
  auto reply = error_reply(503, "too many bytes are being received at this moment; try again");
  reply.headers.emplace_back("Retry-After", "1");
  write(std::move(reply), false);
}

void Session::refuse(Error error) {
  auto reply = refusal(error, core_.options);
  if (!reply) return core_.remove(id_);
  write(*std::move(reply), false);
}

void Session::dispatch() {
  complete_ = true;
  keep_alive_ = parser_->get().keep_alive();
  version_ = parser_->get().version();
  head_ = parser_->get().method() == beast_http::verb::head;
  if (core_.draining) {
    auto reply = error_reply(503, "shutting down; try again");
    reply.headers.emplace_back("Retry-After", "1");
    return write(std::move(reply), false);
  }
  auto request = to_request(parser_->release(), remote_);
  if (!request) return write(error_reply(400, request.error().message), keep_alive_);
  state_ = State::handled;
  core_.handler(*std::move(request), core_.responder(id_, request_));
}

void Session::answer(std::uint64_t request, ServerReply reply) {
  if (state_ != State::handled || request != request_) return;
  write(std::move(reply), keep_alive_ && !core_.draining && !core_.full());
}

void Session::write(ServerReply reply, bool keep_alive) {
  if (state_ != State::handled && core_.options.on_refusal) core_.options.on_refusal(reply.status);
  state_ = State::writing;
  auto& response = response_.emplace(static_cast<beast_http::status>(reply.status), version_);
  response.set(beast_http::field::date, http_date());
  for (const auto& [name, value] : reply.headers) response.insert(name, value);
  response.keep_alive(keep_alive);
  if (!has_no_body(reply.status)) {
    if (!reply.body.empty()) response.set(beast_http::field::content_type, reply.content_type);
    response.content_length(reply.body.size());
    if (!head_) response.body() = std::move(reply.body);
  }
  stream_.expires_after(core_.options.request_timeout);
  beast_http::async_write(stream_, response, [this](Error error, std::size_t) { on_written(error); });
}

void Session::on_written(Error error) {
  if (error) return core_.remove(id_);
  if (response_->keep_alive() && !core_.draining) return read_next();
  boost::system::error_code ignored;  // the peer may be gone; then the next read says so
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (complete_) return core_.remove(id_);
  state_ = State::lingering;
  state_since_ = std::chrono::steady_clock::now();
  count_bytes(0);
  buffer_.clear();
  stream_.expires_after(kLinger);
  linger();
}

void Session::linger() {
  stream_.async_read_some(buffer_.prepare(buffer_.max_size()), [this](Error error, std::size_t size) {
    lingered_bytes_ += size;
    if (error || lingered_bytes_ > kLingerBytesMax) return core_.remove(id_);
    linger();
  });
}

}  // namespace penstock::http
