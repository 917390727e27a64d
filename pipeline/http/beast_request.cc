#include "pipeline/http/beast_request.h"

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>

#include <fmt/core.h>

namespace penstock::http {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;

void configure(RequestParser& parser, const HttpServerOptions& options) {
  parser.header_limit(static_cast<std::uint32_t>(options.header_max.count));
  parser.body_limit(options.body_max.count);
}

std::optional<ServerReply> refusal(error_code error, const HttpServerOptions& options) {
  using Code = beast_http::error;
  if (error == Code::end_of_stream || error.category() != error_code(Code::end_of_stream).category()) return std::nullopt;
  if (error == Code::header_limit || error == Code::buffer_overflow) {
    return error_reply(431, fmt::format("the headers are larger than {}", to_string(options.header_max)));
  }
  if (error == Code::body_limit) {
    return error_reply(
        413, fmt::format("the body is larger than {}; send fewer events per request", to_string(options.body_max)));
  }
  if (error == Code::partial_message) return error_reply(400, "the request ended before it was complete");
  return error_reply(400, fmt::format("this is not a valid HTTP request: {}", error.message()));
}

Result<ServerRequest> to_request(RequestParser::value_type message, std::string remote) {
  if (message.version() >= 11 && message.find(beast_http::field::host) == message.end()) {
    return fail(ErrorKind::invalid, "an HTTP/1.1 request needs a Host header");
  }
  ServerRequest request;
  request.method = std::string(message.method_string());
  request.remote = std::move(remote);
  for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
  TRY(read_target(std::string(message.target()), request));
  request.body = std::move(message.body());
  return request;
}

Result<ServerRequest> parse_request(std::string_view bytes, const HttpServerOptions& options) {
  RequestParser parser;
  configure(parser, options);
  parser.eager(true);
  error_code error;
  while (!bytes.empty() && !parser.is_done()) {
    const auto used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    // There is no more to come. Asking again with the same bytes would trip an assertion of Beast's: after "0\r\n" it
    // expects the next call to bring at least the rest of the last chunk.
    if (error == beast_http::error::need_more) error = beast_http::error::partial_message;
    if (error) break;
    bytes.remove_prefix(used);
  }
  if (!error && !parser.is_done()) error = beast_http::error::partial_message;
  if (error) {
    const auto reply = refusal(error, options);
    return fail(ErrorKind::invalid, reply ? reply->body : "the request is empty");
  }
  return to_request(parser.release(), "bytes");
}

}  // namespace penstock::http
