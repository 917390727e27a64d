#pragma once
// Keeps the logs within their limits: by age, by bytes, and by what the disk has left. One thread that looks every second.
//
// What is never removed: a record of `captured` that ingest has not committed; a record of `events` that the newest checkpoint
// of derived state does not cover; an event that a destination with `hold: true`, or its replay, has not settled. Anything else
// goes, oldest first, whoever has not read it yet: that destination then says how many events it has lost. When what must be kept fills the
// disk, or is more than `events` may have, the gate is closed, and sources wait. Ingest goes on with what is captured, and may use
// half of what is to be free; the other half is for what makes room: a checkpoint of state, the cursors of destinations.

#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/ingest/gate.h"
#include "pipeline/ports/disk.h"
#include "pipeline/ports/log.h"
#include "pipeline/telemetry/metrics.h"
#include "pipeline/topology/settings.h"

namespace penstock::topology {

// A destination that retention has to wait for.
struct Holder {
  std::string name;
  Offsets settled;
};

// What retention asks the others, on its thread.
struct RetentionNeeds {
  std::function<std::uint64_t()> captured_committed;  // sequence of `captured` before which all is committed
  std::function<std::uint64_t()> state_checkpointed;  // sequence of `events` before which a checkpoint of state has all
  std::function<Result<void>()> checkpoint_if_due;  // asked at every look: retention is what checkpoints are for
  std::function<Result<void>()> checkpoint_now;  // asked when nothing else keeps what should go
  std::function<std::vector<Holder>()> holders;
};

class Retention {
 public:
  // `folder` is where the logs lie. All references outlive it.
  Retention(const LogSettings& settings, std::string folder, Log& log, Disk& disk, const Clock& clock, RetentionNeeds needs,
            ingest::Gate& gate, telemetry::Metrics& metrics);

  // One look. On one thread at a time.
  void look();
  // Looks again and again, until it is told to stop. On its own thread.
  void run(const std::stop_token& stop);

 private:
  struct Pressure {
    std::uint64_t missing = 0;  // bytes to be removed, so that sources need not wait
    bool full = false;  // so little is free that sources have to wait
    std::uint64_t free = 0;
    std::uint64_t wanted = 0;  // bytes that sources have to leave free
    std::uint64_t segment = 0;  // bytes of a file of the log on this disk
  };

  Trimmed trim(LogName log, std::uint64_t bytes_max, Timestamp older_than);
  Trimmed trim_once(LogName log, std::uint64_t bytes_max, Timestamp older_than);
  void tell(const Result<void>& done);
  void tell_refusal();
  TrimLimits limits_of(LogName log) const;
  Result<Pressure> pressure();
  void relieve(const Pressure& pressure);
  void set_gate(const Pressure& pressure);
  void allow(const Pressure& pressure);
  std::string who_holds() const;

  const LogSettings log_settings_;
  const RetentionSettings& settings_ = log_settings_.retention;
  const std::string folder_;
  Log& log_;
  Disk& disk_;
  const Clock& clock_;
  const RetentionNeeds needs_;
  ingest::Gate& gate_;
  telemetry::Counter trimmed_bytes_[2];  // by LogName
  telemetry::Counter trimmed_events_[2];
  telemetry::Gauge disk_free_;
  std::set<std::string> told_;  // what failed at the last look: told when it begins, and again when it comes back
  std::set<std::string> failed_;  // at this one
  Pressure pressure_;  // as it was last seen
  bool closed_ = false;  // the gate, by this
  bool refused_ = false;  // so that it is told once that the log takes no records
};

}  // namespace penstock::topology
