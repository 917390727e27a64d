#pragma once
// One life of the program: the real log, intake, ingest and delivery, put together as the topology does, on one thread. Nothing
// happens but by the calls below.

#include <memory>
#include <optional>
#include <vector>

#include "connectors/logs/local/local_log.h"
#include "pipeline/delivery/destination_runner.h"
#include "pipeline/ingest/gate.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/workers.h"
#include "tests/simulation/world.h"

namespace penstock::simulation {

class Process {
 public:
  // Opens everything that is on the disk. `world` outlives it.
  static Result<std::unique_ptr<Process>> start(World& world);
  // As kill -9: nothing is told to stop. What the log still writes goes to a disk that nobody will read.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // One slice of a worker. False: nothing to do, or it would have to wait for the log. An error ends the process.
  Result<bool> step_ingest(std::size_t worker);
  std::size_t workers() const { return workers_->size(); }
  // One group of appends.
  bool write(LogName log);
  void wake();
  // Ends one destination in peace and starts it again.
  Result<void> restart_destination(std::size_t index);
  // Ends all of them in peace; what was accepted and not ingested stays for the next life.
  void stop_destinations();

  // Removes from the logs what may go. `needed` is of `events`: not from there on.
  Result<void> trim(Offsets needed);

  ingest::CapturedIntake& intake() { return *intake_; }
  ingest::Gate& gate() { return gate_; }
  logs::local::LocalLog& log() { return *log_; }
  delivery::DestinationRunner& runner(std::size_t index) { return *runners_[index]; }
  bool ingest_idle() const { return workers_->idle(); }
  // Some of what was accepted is not committed, as far as is known.
  bool captured_waits() const { return workers_->captured_committed() < log_->next_sequence(LogName::captured); }

 private:
  explicit Process(World& world) : world_(world) {}
  Result<void> open();
  Result<void> start_destination(std::size_t index);
  void stop_destination(std::size_t index);

  World& world_;
  std::unique_ptr<logs::local::LocalLog> log_;
  ingest::Gate gate_;
  std::unique_ptr<ingest::CapturedIntake> intake_;
  std::unique_ptr<ingest::Workers> workers_;
  std::vector<std::optional<SteadyTime>> appended_at_;  // by worker; its commit in flight
  std::vector<std::unique_ptr<delivery::DestinationRunner>> runners_;
};

}  // namespace penstock::simulation
