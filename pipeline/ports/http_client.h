#pragma once
// HTTP for destinations: asynchronous, one reactor for all of them. The real one is pipeline/http/curl_client.h.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"

namespace penstock {

struct HttpRequest {
  std::string method = "POST";
  std::string url{};
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  Duration timeout{5000};                // from submission to the last byte of the answer
  Bytes answer_max = 64_KiB;             // the rest of a longer answer is cut off, and `truncated` says so
};

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  bool truncated = false;

  // nullptr when absent; `name` in lower case.
  const std::string* header(std::string_view name) const;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Returns at once; `done` is called exactly once, from the client's thread. Redirects are not followed. An error says which
  // host and what happened: refused, reset, TLS, not HTTP (kind unavailable), the timeout passed (limit), the request cannot
  // be sent as it is (invalid), the client has stopped (stopped; then on the calling thread). Thread-safe.
  virtual void send(HttpRequest request, std::move_only_function<void(Result<HttpReply>)> done) = 0;
};

}  // namespace penstock
