#pragma once
// One event's way through ingest: validated and mapped, then the chain, then into the commit being collected.

#include <atomic>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ingest/body_reader.h"
#include "pipeline/ingest/committer.h"
#include "pipeline/ingest/death_notice.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/seen_uuids.h"
#include "pipeline/ports/transform.h"

namespace penstock::ingest {

// What came of events since the process started. Written by the worker, read by anyone.
struct IngestCounts {
  std::atomic<std::uint64_t> kept = 0;     // events committed; more than one when an app splits
  std::atomic<std::uint64_t> dropped = 0;
  std::atomic<std::uint64_t> duplicates = 0;
  std::atomic<std::uint64_t> dead = 0;
};

// Used by one worker thread.
class Transformer {
 public:
  Transformer(Transform& chain, Committer& committer, const StateOverlay& state, UuidClaims& seen, int partitions);

  void set_chain(Transform& chain) { chain_ = &chain; }
  const IngestCounts& counts() const { return counts_; }

  // A record as a polled source read it: nothing about it is known to be valid. Error: the state an app asked for cannot be
  // told; the batch must be discarded.
  Result<void> raw(const RawRecord& record, const std::string& partition, const std::string& label, FactReader& fact_reader,
                   const SourceIdentity& source, Timestamp now, Tally& tally);

  // The same for a tombstone: no app sees it.
  Result<void> tombstone(const RawRecord& record, const std::string& partition, const std::string& label,
                         const SourceIdentity& source, Timestamp now, Tally& tally);

  // An event from `captured`: its body was validated and its facts read when it was accepted. One whose uuid went into `events`
  // before goes no further, and so does what an app makes of one. `again`: the mark of the dead letter that it was until now, or
  // null. Error: as above, or damaged storage.
  Result<void> accepted(const Facts& facts, std::string_view body, bool canonical, Timestamp now, Tally& tally,
                        const DeadLetter* again);

  // Refused when it was accepted into `captured`, and counted there for its source.
  Result<void> dead_on_arrival(const DeadLetter& letter, Tally& tally) { return bury(letter, tally); }

  // The events that follow, up to the next call, are read and committed together: a poll, or a record of `captured`. Where
  // `may_shrink`, a commit that they, their state or their dead letters do not fit into can be made smaller, so that none of them
  // is refused for its size: the call that finds it out is an error, and `overflowed` is true, once. Where not, what does not fit
  // is a dead letter, and its changes of state are not made.
  void begin_unit(bool may_shrink) { may_shrink_ = may_shrink; }
  bool take_overflow() { return std::exchange(overflowed_, false); }

  // The end of a unit. It is counted when the commit that it is part of is durable.
  void count(const Tally& tally, const SourceMetrics& metrics) { collected_.push_back({tally, metrics}); }
  void batch_appended();  // and the one before it is durable
  void batch_durable();  // the one that was appended
  void batch_discarded() {
    collected_.clear();
    deaths_.batch_discarded();
  }
  void appended_discarded() {
    appended_.clear();
    deaths_.appended_discarded();
  }
  // What the log is to say of dead letters that are durable, when it is time.
  std::optional<std::string> deaths_due(SteadyTime now) { return deaths_.due(now); }

 private:
  struct Counted {
    Tally tally;
    SourceMetrics metrics;
  };

  std::size_t largest_event() const;  // of what the last run made
  // Into the commit being collected. An error: not into this one, but it may shrink.
  Result<bool> has_room(std::size_t events, std::size_t bytes);
  Result<bool> output_fits();  // what the last run made
  enum class From : std::uint8_t { polled, captured };

  Result<void> run(const Facts& facts, bool canonical, From from, Timestamp now, Tally& tally);
  Result<void> bury(DeadLetter letter, Tally& tally);
  DeadLetter failed(const Facts& facts, std::string_view app, std::string_view code, std::string_view reason,
                    Timestamp now) const;
  Result<void> keep(const Facts& facts, From from, Timestamp now, Tally& tally);

  Transform* chain_;
  Committer& committer_;
  const StateOverlay& state_;
  UuidClaims& seen_;
  const int partitions_;
  BodyReader reader_;
  json::ObjectIndex index_;
  Transformed out_;
  const DeadLetter* again_ = nullptr;  // what the event in hand was
  const Attachment* attachment_ = nullptr;  // of the event in hand
  std::string_view label_;  // of the source that it was read from, and where it stands there; empty: it is from `captured`
  std::uint64_t offset_ = 0;
  bool may_shrink_ = false;
  bool overflowed_ = false;
  std::vector<Counted> collected_;  // of the batch in hand
  std::vector<Counted> appended_;  // of the one in flight
  DeathNotice deaths_;
  IngestCounts counts_;
};

}  // namespace penstock::ingest
