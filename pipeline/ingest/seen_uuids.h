#pragma once
// The uuids of the events that went into `events` lately, so that a client which sends a request again, because it never heard
// the answer, adds nothing. Derived from the log: at start they are read from its end. One for the process, whatever the number
// of workers: in the log an event stands in the partition of what apps made of it, so nobody could tell there whose it was.
//
// A uuid is claimed by the batch that is being collected, and given up with it when the batch is: what was not committed has
// not been seen. Forgets the oldest beyond `uuids_max`, and what is older than `window`. 28 bytes a uuid.
// Many uuids are kept in sixteen parts, each with a lock of its own, held for one look. Cost: see bench/dedup_bench.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/uuid.h"

namespace penstock::ingest {

struct DedupSettings {
  Duration window{3'600'000};
  std::size_t uuids_max = 1'000'000;  // 0: nothing is remembered
};

// Thread-safe.
class SeenUuids {
 public:
  // Which claim it was, for who may have to give it up.
  using Claim = std::uint64_t;

  explicit SeenUuids(DedupSettings settings);
  ~SeenUuids();

  const DedupSettings& settings() const { return settings_; }
  bool enabled() const { return settings_.uuids_max > 0; }
  bool contains(const Uuid& uuid) const;
  // Unless it is older than the window by now, though nothing was claimed since.
  bool contains(const Uuid& uuid, Timestamp now) const;
  // It will be asked for soon: its place is fetched into the cache meanwhile.
  void expect(const Uuid& uuid) const;
  // Nothing: it was there already. `now` goes back by no more than threads differ.
  std::optional<Claim> claim(const Uuid& uuid, Timestamp now);
  // As if it had never been claimed. Does nothing when it was forgotten meanwhile.
  void give_up(Claim claim);
  // Of what was claimed before `time` some is missing, and covers_from is not before it. What is there stays.
  void missing_before(Timestamp time);

  std::size_t size() const;
  // Since when every uuid is remembered; 0: none ever was.
  Timestamp covers_from() const;
  // Something of what it had is gone: it was too much, or too old.
  bool has_forgotten() const;

 private:
  class Part;
  std::size_t part_of(const Uuid& uuid) const;

  const DedupSettings settings_;
  std::vector<std::unique_ptr<Part>> parts_;  // a power of two
  std::atomic<std::int64_t> begun_ms_ = 0;  // since when all that was claimed is here; 0: none was claimed
};

// What one worker has claimed and not yet committed. One thread.
class UuidClaims {
 public:
  // What is in `before` cannot be claimed either; null: there is none.
  explicit UuidClaims(SeenUuids& seen, const SeenUuids* before = nullptr) : seen_(seen), before_(before) {}

  bool contains(const Uuid& uuid, Timestamp now) const {
    return seen_.contains(uuid) || (before_ != nullptr && before_->contains(uuid, now));
  }
  void expect(const Uuid& uuid) const {
    seen_.expect(uuid);
    if (before_ != nullptr) before_->expect(uuid);
  }
  // False: it was there already.
  bool claim(const Uuid& uuid, Timestamp now);

  // The batch was appended, and the one before it is durable.
  void batch_appended();
  // The one in flight is durable.
  void batch_durable() { in_flight_.clear(); }
  // Neither the batch being collected nor what is in flight becomes durable.
  void give_up();
  // Of both sets together.
  Timestamp covers_from() const;

 private:
  SeenUuids& seen_;
  const SeenUuids* const before_;
  std::vector<SeenUuids::Claim> batch_;
  std::vector<SeenUuids::Claim> in_flight_;
};

}  // namespace penstock::ingest
