#pragma once
// The control API: one port, loopback by default. Everything the CLI does to a running pipeline goes through it.
//
//   GET  /health            200 while the process lives                                   (no token)
//   GET  /ready             200 when events are accepted and the log is sound, else 503   (no token)
//   GET  /metrics           Prometheus text format                                        (no token)
//   GET  /api/status        what `penstock status --json` prints
//   GET  /api/dead          ?stage= &code= &limit= (1 to 1000, default 100) &after=ID: newest first, without bodies
//   GET  /api/dead/ID       one dead letter with its original bytes
//   POST /api/dead/replay   {"ids": […]} or {"stage": …, "code": …}, empty for any: sends them again; answers {"count": n}
//   POST /api/dead/discard  the same: throws them away
//   POST /api/destinations/NAME/pause   {"note": "…"}, may be empty: nothing more is sent until it is resumed
//   POST /api/destinations/NAME/resume  ends a pause, and a suspension; suspended apps are tried again
//   POST /api/destinations/NAME/rate    {"events": n, "bytes": n} a second, 0 for no limit; {} goes back to the configuration's
//   POST /api/destinations/NAME/replay  {"from": …, "to": …, "where": …, "rate": n}: a stretch of the log again; all but `from`
//                                       may be missing; answers {"events": n}
//   POST /api/destinations/NAME/cancel-replay
//   POST /api/backup        {"folder": "/…"}: a copy of the data folder there, on the machine of the process; answers when it is
//                           made, {"events": n, "captured": n, "log_bytes": n}
//   POST /api/reload        reads the configuration again and applies what differs; 422 and nothing changed when it is wrong
//
// /api needs "Authorization: Bearer <token>". Errors are {"error": "<sentence>"}.

#include <functional>
#include <memory>
#include <string>

#include "pipeline/config/values.h"
#include "pipeline/topology/pipeline.h"

namespace penstock::control {

struct ControlOptions {
  config::ListenAddress listen;
  std::string token;
};

// What a reload asks of whoever started the pipeline: the file, read again.
using Replan = std::function<topology::Planned()>;

class ControlServer {
 public:
  // The pipeline outlives the server.
  static Result<std::unique_ptr<ControlServer>> start(ControlOptions options, topology::Pipeline& pipeline, Replan replan);
  ~ControlServer();

  std::string url() const;

  // Also what SIGHUP does. Blocks; any thread; one reload at a time.
  Result<topology::ReloadReport> reload();

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::control
