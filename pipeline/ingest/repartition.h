#pragma once
// A polled source whose records go by way of `captured`, because its own partitions are not those of distinct ids: one thread reads it
// and appends what every poll gives to `captured`, with the position after it in the same record. Ingest takes the position into the
// commit of that record; a start takes what `captured` still holds on top. So each record is in `captured` once, and from there
// on everything is as if it had been pushed: divided by distinct id, and ordered by arrival. What a log may or may not have taken
// (an append that timed out) is appended again, and de-duplication knows it by its uuid, made of the record's place.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/ingest/intake.h"
#include "pipeline/ports/log.h"
#include "pipeline/ports/source.h"

namespace penstock::ingest {

// Where a source stands by the records of `captured` that ingest has not committed, on top of what it has. `stored` is what the commits
// say. Reads `captured` to its end; nothing may run yet.
Result<std::vector<SourcePosition>> positions_with_captured(
    Log& log, const std::string& source,
    const std::function<Result<std::vector<SourcePosition>>(const std::string&)>& stored);

class Repartition final : public PushedSource {
 public:
  // How many records of `captured` ingest has still to commit. It is asked on the thread.
  using Behind = std::function<std::uint64_t()>;

  // `positions` are where the source is to begin. `intake` is the one of its name, and outlives it.
  Repartition(std::string name, std::unique_ptr<PolledSource> source, std::vector<SourcePosition> positions,
              CapturedIntake& intake, SourceMetrics metrics, Behind behind);
  ~Repartition() override;

  // The argument is the intake that it has already.
  Result<void> start(Intake& intake) override;
  void stop() override;
  bool finished() const override { return finished_; }

 private:
  void run(const std::stop_token& stop);
  bool step(const std::stop_token& stop);
  Result<void> push(const RawBatch& batch);
  Result<void> open();
  void tell(const RawBatch& batch) const;
  void complain(const std::string& what);
  bool read_in_small_pieces(RawBatch& batch);

  const std::string name_;
  const std::unique_ptr<PolledSource> source_;
  CapturedIntake& intake_;
  const SourceMetrics metrics_;
  const Behind behind_;
  std::map<std::string, std::string> positions_;  // of what is durable in `captured`; the thread's once it runs
  RawBatch batch_;  // the thread's
  bool pending_ = false;  // the thread's: the batch is not in `captured` yet
  bool open_ = false;  // the thread's once it runs
  std::size_t small_ = 0;  // the thread's: polls to come that take one record each
  std::string complaint_;  // the thread's: what was said last
  std::atomic<bool> finished_ = false;
  std::jthread thread_;
};

}  // namespace penstock::ingest
