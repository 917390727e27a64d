#include "pipeline/kafka/token_request.h"

#include <doctest/doctest.h>

using namespace penstock;
using kafka::kNoToken;

namespace {

constexpr Timestamp kNow{1'000'000};
const kafka::TokenSettings kSettings{.endpoint = "https://u:p@id.example:8443/oauth/token?tenant=7",
                                     .client_id = "pen stock",
                                     .client_secret = "p+ss:w%rd",
                                     .scope = "read write",
                                     .ca_file = {}};

Result<kafka::Token> answered(int status, std::string body) {
  return kafka::token_of(HttpReply{status, {}, std::move(body)}, kSettings, kNow, Timestamp{kNow.ms + 10});
}

std::string told(int status, std::string body) {
  const auto token = answered(status, std::move(body));
  REQUIRE_FALSE(token.has_value());
  REQUIRE(token.error().message.starts_with(kNoToken));
  return token.error().message.substr(kNoToken.size());
}

}  // namespace

TEST_CASE("it asks by the client credentials grant, encoded as RFC 6749 has it") {
  const auto request = kafka::token_request(kSettings);
  CHECK(request.method == "POST");
  CHECK(request.url == kSettings.endpoint);
  CHECK(request.body == "grant_type=client_credentials&scope=read%20write");
  CHECK(request.headers[0] ==
        std::pair<std::string, std::string>("Authorization", "Basic cGVuJTIwc3RvY2s6cCUyQnNzJTNBdyUyNXJk"));
}

TEST_CASE("a token is good for as long as the answer says, else as the token says") {
  auto token = answered(200, R"({"access_token": "a.b", "token_type": "Bearer", "expires_in": 60})");
  REQUIRE(token.has_value());
  CHECK(token->value == "a.b");
  CHECK(token->expires == Timestamp{kNow.ms + 60'000});
  CHECK(answered(200, R"({"access_token": "a", "expires_in": "5"})")->expires == Timestamp{kNow.ms + 5000});
  // {"alg":"none"}.{"sub":"x","exp":2000}
  CHECK(answered(200, R"({"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjoyMDAwfQ."})")->expires ==
        Timestamp{2'000'000});
  CHECK(answered(200, R"({"access_token": "a", "expires_in": 1e300})")->expires.ms > kNow.ms);
}

TEST_CASE("why there is no token is a sentence with the host, and without what may be a secret") {
  CHECK(told(500, "") == "id.example:8443 answered 500");
  CHECK(told(503, R"({"error": "temporarily_unavailable", "error_description": "p+ss:w%rd"})") ==
        "id.example:8443 answered 503 (temporarily_unavailable)");
  CHECK(told(401, "") == "id.example:8443 does not know this sasl.oauthbearer.client.id with this secret: it answered 401");
  CHECK(told(400, R"({"error": "invalid_client"})").contains("with this secret: it answered 400 (invalid_client)"));
  CHECK(told(400, R"({"error": "invalid_scope"})") ==
        "id.example:8443 answered 400 (invalid_scope); correct sasl.oauthbearer.scope");
  CHECK(told(400, R"({"error": "P+ss:w%rd"})") == "id.example:8443 answered 400");
  CHECK(told(302, "").contains("redirects are not followed"));
  CHECK(told(404, "").contains("correct sasl.oauthbearer.token.endpoint.url"));
  for (const auto* garbage : {"", "p+ss:w%rd", "[]", "{}", R"({"access_token": 7})", R"({"access_token": ""})"}) {
    CHECK(told(200, garbage) == "id.example:8443 answered 200, but not with an access_token in JSON");
  }
  CHECK(told(200, R"({"access_token": "a"})").contains("says not how long its token is good"));
  CHECK(told(200, R"({"access_token": "a.%.c"})").contains("says not how long its token is good"));
  CHECK(told(200, R"({"access_token": "a", "expires_in": 0})").contains("has expired already"));
  CHECK(told(200, R"({"access_token": "a", "expires_in": -1e300})").contains("has expired already"));
  CHECK(kafka::token_of(fail(ErrorKind::unavailable, "id.example refused the connection"), kSettings, kNow, kNow)
            .error()
            .message == "no token to log in with: id.example refused the connection");
}
