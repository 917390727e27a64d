#pragma once
// A small HTTP/1.1 server: one listening address, one thread. Sources and the control port stand on it.
//
// Peers are taken to be hostile. Everything they may take has a limit: connections, header and body sizes, the bytes of all
// requests together, the time to send a request and to take the answer. A limit on sizes is an answer (413, 431,
// 503), a limit on time a closed connection. The thread lives.

#include <functional>
#include <memory>
#include <string>

#include "pipeline/base/bytes.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/config/values.h"
#include "pipeline/http/message.h"

namespace penstock::http {

struct HttpServerOptions {
  config::ListenAddress listen{};
  std::string name = "http";                // of the thread and in the log
  Bytes body_max = 20_MiB;                  // as sent, before decompression; more is 413
  Bytes header_max = 16_KiB;                // more is 431
  Bytes in_flight_bytes_max = 256_MiB;      // of all requests being read or answered; more is 503
  int connections_max = 1024;               // then idle ones are closed, and if there are none, accepting waits
  Duration idle_timeout{60'000};            // between two requests
  Duration request_timeout{30'000};  // from a request's first byte to its last; and for the peer to take the answer
  // Told the status with which the server itself refuses a request, before the handler saw it; on the server's thread.
  std::function<void(int status)> on_refusal = nullptr;
};

// Answers one request: called once, from any thread, at any time. When the connection or the server is gone by then,
// nothing happens. Destroyed without a call: 500.
using Responder = std::move_only_function<void(ServerReply)>;

// Runs on the server's thread: must not block, must not stop the server.
using Handler = std::move_only_function<void(ServerRequest, Responder)>;

class HttpServer {
 public:
  // Listens when it returns. Errors: conflict when the address is in use, io otherwise; they name it.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, Handler handler);
  // As stop(0).
  ~HttpServer();

  int port() const;
  std::string address() const;  // "127.0.0.1:8000"

  // Refuses what is new (connections by closing the listener, requests with 503), lets what is in flight be answered for up
  // to `grace`, closes everything, joins. Once; not from the handler.
  void stop(Duration grace);

  struct Core;  // server_core.h

 private:
  explicit HttpServer(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;  // shared with nobody but the moment in which a Responder posts its reply
};

// One request from bytes, by the same parser and limits as the server's: what the fuzzer drives.
Result<ServerRequest> parse_request(std::string_view bytes, const HttpServerOptions& options);

}  // namespace penstock::http
