#pragma once
// Between Beast's parser and our values. Included by server.cc and beast_request.cc only: Beast is slow to compile.

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "pipeline/http/server.h"

namespace penstock::http {

using RequestParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

void configure(RequestParser& parser, const HttpServerOptions& options);

// What to answer to a request that did not parse; nullopt: the connection is gone or was only closed, say nothing.
std::optional<ServerReply> refusal(boost::beast::error_code error, const HttpServerOptions& options);

// Takes the parsed message apart. An error is a request that HTTP forbids although it parses.
Result<ServerRequest> to_request(RequestParser::value_type message, std::string remote);

}  // namespace penstock::http
