#pragma once
// The real HttpClient: libcurl's multi interface on one thread, for every destination of the process.
//
// Connections are kept and shared between requests to the same host; HTTP/2 where TLS offers it. Redirects are not
// followed, certificates are verified, proxies of the environment are ignored unless asked for. Deadlines are ours, not
// curl's, so they also hold while a name is being resolved or a connection slot is awaited.
//
// Messages name the host and what happened, never user, path or query of the URL: those may be secrets.

#include <memory>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/ports/http_client.h"

namespace penstock::http {

struct CurlClientOptions {
  int connections_max = 256;  // requests on their way at once, to all hosts; and as many idle connections are kept
  int connections_per_host_max =
      32;  // to one host, so that a frozen one cannot take them all; the others wait for their turn
  int requests_max = 4096;  // sent and not yet answered; one more is refused
  bool proxy_from_environment = false;
  std::string ca_file{};  // PEM; empty: the system's certificates
  std::string user_agent = "penstock/" PENSTOCK_VERSION;
};

class CurlClient final : public HttpClient {
 public:
  static Result<std::unique_ptr<CurlClient>> start(CurlClientOptions options = {});
  // As stop().
  ~CurlClient() override;

  // Errors: kind limit when the deadline passed, invalid when the request itself cannot be sent (its URL or a header),
  // stopped after stop() (then on the calling thread), unavailable for everything else. `done` must not block and may send
  // again.
  void send(HttpRequest request, std::move_only_function<void(Result<HttpReply>)> done) override;

  // Fails what is in flight with kind stopped, and joins. Not from inside `done`.
  void stop();

 private:
  struct Impl;
  explicit CurlClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::http
