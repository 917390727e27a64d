#pragma once
// One question to a token endpoint and its answer: the client credentials grant of OAuth 2 (RFC 6749, 4.4). Pure functions; any thread.

#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/kafka/token_settings.h"
#include "pipeline/ports/http_client.h"

namespace penstock::kafka {

struct Token {
  std::string value;
  Timestamp made;  // when it was asked for
  Timestamp expires;
};

// How every reason begins why there is no token. outcomes.h knows it again.
inline constexpr std::string_view kNoToken = "no token to log in with: ";

HttpRequest token_request(const TokenSettings& settings);

// How long the token is good is what the answer says (`expires_in`), else what the token says (`exp` of a JWT). An error is a
// sentence that begins with kNoToken and names the host; of an answer that may hold a secret nothing is repeated but the error
// code that RFC 6749 provides.
Result<Token> token_of(const Result<HttpReply>& reply, const TokenSettings& settings, Timestamp asked, Timestamp now);

}  // namespace penstock::kafka
