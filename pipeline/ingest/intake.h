#pragma once
// The door of pushed sources: validates each record, reads its facts, and appends what was accepted to the log `captured`
// in one piece. Only after that is durable does the source say "accepted".

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ingest/body_reader.h"
#include "pipeline/ingest/gate.h"
#include "pipeline/ingest/ingest_metrics.h"
#include "pipeline/ports/log.h"
#include "pipeline/ports/source.h"

namespace penstock::ingest {

// What a source's events need to know of it.
struct SourceIdentity {
  std::string name;
  std::string project;
  FactPaths paths;
};

// A dead letter of ingest, and the shares of the input whose states have it, where there are several.
struct KeptLetter {
  const DeadLetter* letter = nullptr;
  std::vector<PartitionShare> kept_by{};
};

// One per pushed source. Thread-safe. The log and the clock outlive it.
class CapturedIntake final : public Intake {
 public:
  // More than `pending_bytes_max` bytes waiting for the disk: the answer is `unavailable`, and the client comes again.
  // So is it while the gate, if there is one, is closed. `run_id` tells the uuids of this process's events that came without
  // one from another's; empty: it is made up.
  CapturedIntake(SourceIdentity source, Log& log, const Clock& clock, SourceMetrics metrics, std::size_t pending_bytes_max,
                 Gate* gate = nullptr, std::string run_id = {});

  void push(PushedRecords records, std::move_only_function<void(Result<Accepted>)> done) override;
  // Dead letters of ingest, all of this source, once more (event/sent_again.h): each as the event that it was, with its uuid and
  // its time of receipt. What cannot be read this time either is the same letter, tried once more. Durable when it is answered.
  void push_again(const std::vector<KeptLetter>& letters, std::move_only_function<void(Result<void>)> done);
  // Those that are not to be sent, of any source: they are gone when ingest has read this.
  void take_out(const std::vector<KeptLetter>& letters, std::move_only_function<void(Result<void>)> done);
  // What one poll of a polled source gave, and the position after it, in one record. `batch` is read before this returns. An error
  // as of push.
  void push_poll(const RawBatch& batch, std::move_only_function<void(Result<void>)> done);
  void refused(std::string_view code) override { metrics_.count_refusal(code); }

 private:
  Result<void> check_open(std::size_t bytes) const;
  LogRecord to_record(const std::vector<KeptLetter>& letters);
  void append_again(LogRecord record, std::move_only_function<void(Result<void>)> done);
  LogRecord to_record(const PushedRecords& records, Accepted& accepted);
  LogRecord to_record(const RawBatch& batch, Tally& tally);

  const SourceIdentity source_;
  Log& log_;
  const Clock& clock_;
  const SourceMetrics metrics_;
  const std::size_t pending_bytes_max_;
  Gate* const gate_;

  std::mutex mutex_;
  BodyReader reader_;  // guarded by mutex_
  json::ObjectIndex index_;  // guarded by mutex_
  FactReader facts_;  // guarded by mutex_
  const std::string run_id_;  // with the count below names a push; part of the uuid of events that have none
  std::uint64_t pushes_ = 0;  // guarded by mutex_
};

}  // namespace penstock::ingest
