#pragma once
// One event's way through ingest: validated and mapped, then the chain, then into the commit being collected.

#include <atomic>
#include <string>
#include <string_view>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ingest/body_reader.h"
#include "pipeline/ingest/committer.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ports/transform.h"

namespace penstock::ingest {

// What came of events since the process started. Written by the worker, read by anyone.
struct IngestCounts {
  std::atomic<std::uint64_t> kept = 0;     // events committed or about to be; more than one when an app splits
  std::atomic<std::uint64_t> dropped = 0;
  std::atomic<std::uint64_t> dead = 0;
};

// Used by one worker thread.
class Transformer {
 public:
  Transformer(Transform& chain, Committer& committer, const StateOverlay& state, int partitions);

  void set_chain(Transform& chain) { chain_ = &chain; }
  const IngestCounts& counts() const { return counts_; }

  // A record as a polled source read it: nothing about it is known to be valid. Error: the state an app asked for cannot be
  // told; the batch must be discarded.
  Result<void> raw(const RawRecord& record, const std::string& partition, const std::string& label, FactReader& fact_reader,
                   const SourceIdentity& source, Timestamp now, Tally& tally);

  // An event from `captured`: its body was validated and its facts read when it was accepted. Error: that, or damaged storage.
  Result<void> accepted(const Facts& facts, std::string_view body, bool canonical, Timestamp now, Tally& tally);

  // Refused when it was accepted into `captured`, and counted there for its source.
  void dead_on_arrival(const DeadLetter& letter);

  // The end of a poll or of a record: what it brought becomes visible.
  void count(const Tally& tally, const SourceMetrics& metrics);

 private:
  bool fits() const;  // what the last run made, into the commit being collected
  Result<void> run(const Facts& facts, bool canonical, Timestamp now, Tally& tally);
  void keep(const Facts& facts, Timestamp now, Tally& tally);

  Transform* chain_;
  Committer& committer_;
  const StateOverlay& state_;
  const int partitions_;
  BodyReader reader_;
  json::ObjectIndex index_;
  Transformed out_;
  IngestCounts counts_;
};

}  // namespace penstock::ingest
