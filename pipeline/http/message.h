#pragma once
// What the server hands to its handlers and gets back. Plain values, so that handlers are tested without a socket.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::http {

struct ServerRequest {
  std::string method;                                       // as sent: "POST"
  std::string path;                                         // percent-decoded, begins with '/' ("*" for OPTIONS *)
  std::vector<std::pair<std::string, std::string>> query;   // percent-decoded, in order
  std::vector<std::pair<std::string, std::string>> headers; // as sent
  std::string body;                                         // without transfer coding; content coding is the handler's
  std::string remote;                                       // "127.0.0.1:53412"

  // nullptr when absent. Names of headers are compared without case; the first of several wins.
  const std::string* header(std::string_view name) const;
  const std::string* parameter(std::string_view name) const;
};

struct ServerReply {
  int status = 200;
  std::string body{};
  std::string content_type = "application/json";  // left out when the body is empty
  std::vector<std::pair<std::string, std::string>> headers{};
};

// {"error": "<message>"}: how every refusal looks.
ServerReply error_reply(int status, std::string_view message);

// "/a%20b?x=1&y" split and decoded into the request. An error says what cannot be read.
Result<void> read_target(std::string_view target, ServerRequest& request);

// The token of "Authorization: Bearer <token>", or nullopt.
std::optional<std::string_view> bearer_token(const ServerRequest& request);

// In a time that depends on the lengths only.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace penstock::http
