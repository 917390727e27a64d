#include "pipeline/http/message.h"

#include <doctest/doctest.h>

#include "pipeline/http/server.h"

using namespace penstock;
using namespace penstock::http;

TEST_CASE("an address is split and decoded") {
  ServerRequest request;
  REQUIRE(read_target("/a%20b/c+d?x=1&y=a+b%26&flag&=v#end", request).has_value());
  CHECK(request.path == "/a b/c+d");
  REQUIRE(request.query.size() == 4);
  CHECK(*request.parameter("x") == "1");
  CHECK(*request.parameter("y") == "a b&");
  CHECK(request.parameter("flag")->empty());
  CHECK(request.parameter("absent") == nullptr);
}

TEST_CASE("the forms of an address that proxies and OPTIONS use") {
  const auto path_of = [](std::string_view target) {
    ServerRequest request;
    const auto read = read_target(target, request);
    return read ? request.path : read.error().message;
  };
  CHECK(path_of("http://host:80/x?y") == "/x");
  CHECK(path_of("http://host") == "/");
  CHECK(path_of("?x=1") == "/");
  CHECK(path_of("*") == "*");
  CHECK(path_of("/%4") == "the request's address has a '%' without two hex digits");
  CHECK(path_of("/%41") == "/A");
  CHECK(path_of("events") == "the request's address does not begin with '/'");
}

TEST_CASE("a bearer token is found whatever the case of its scheme") {
  const auto token_of = [](std::string value) {
    ServerRequest request;
    request.headers.emplace_back("AUTHORIZATION", std::move(value));
    return std::string(bearer_token(request).value_or("none"));
  };
  CHECK(token_of("Bearer abc") == "abc");
  CHECK(token_of("bearer  abc ") == "abc");
  CHECK(token_of("Basic abc") == "none");
  CHECK(token_of("Bear") == "none");
  CHECK_FALSE(bearer_token(ServerRequest{}).has_value());
}

TEST_CASE("secrets are equal only when every byte is") {
  CHECK(equal_secrets("s3cret", "s3cret"));
  CHECK_FALSE(equal_secrets("s3cret", "s3creT"));
  CHECK_FALSE(equal_secrets("s3cret", "s3cre"));
  CHECK(equal_secrets("", ""));
}

TEST_CASE("requests are read from bytes as the server reads them") {
  const HttpServerOptions options{.body_max = Bytes{10}, .header_max = Bytes{300}};
  const auto read = parse_request("POST /x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", options);
  REQUIRE(read.has_value());
  CHECK(read->method == "POST");
  CHECK(read->body == "{}");
  const auto chunked = parse_request(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", options);
  REQUIRE(chunked.has_value());
  CHECK(chunked->body == "{}");

  const auto refused = [&](const std::string& bytes) { return !parse_request(bytes, options).has_value(); };
  CHECK(refused(""));
  CHECK(refused("hello\r\n\r\n"));
  CHECK(refused("GET / HTTP/1.1\r\n\r\n"));  // no Host
  CHECK(refused("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(400, 'x') + "\r\n\r\n"));
  CHECK(refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"));
  CHECK(refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"));
  CHECK(refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"));
  CHECK(refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n{}"));
}

TEST_CASE("an error's answer is JSON whatever its text") {
  CHECK(error_reply(400, "a \"quoted\"\nline").body == "{\"error\": \"a \\\"quoted\\\"\\nline\"}\n");
}
