#pragma once
// The uuids of the events that went into `events` lately, so that a client which sends a request again, because it never heard
// the answer, adds nothing. Derived from the log: at start they are read from its end. One for the process; one thread.
//
// A uuid is claimed by the batch that is being collected, and given up with it when the batch is: what was not committed has
// not been seen. Forgets the oldest beyond `uuids_max`, and what is older than `window`. 28 bytes a uuid.
// Cost: see bench/dedup_bench.

#include <cstdint>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/uuid.h"

namespace penstock::ingest {

struct DedupSettings {
  Duration window{3'600'000};
  std::size_t uuids_max = 1'000'000;  // 0: nothing is remembered
};

class SeenUuids {
 public:
  explicit SeenUuids(DedupSettings settings);

  bool enabled() const { return settings_.uuids_max > 0; }
  bool contains(const Uuid& uuid) const { return find(uuid) != kNone; }
  // False: it was there already. `now` never goes back.
  bool claim(const Uuid& uuid, Timestamp now);

  // The batch was appended, and the one before it is durable.
  void batch_appended();
  // The one in flight is durable.
  void batch_durable() { in_flight_from_ = batch_from_; }
  // Neither the batch being collected nor what is in flight becomes durable.
  void give_up();

  std::size_t size() const { return newest_ - oldest_; }
  // Since when every uuid is remembered.
  Timestamp covers_from() const { return covers_from_; }

 private:
  struct Entry {
    Uuid uuid;
    std::uint32_t seconds = 0;  // after the epoch
  };
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  Entry& at(std::uint64_t number) { return ring_[number & (ring_.size() - 1)]; }
  const Entry& at(std::uint64_t number) const { return ring_[number & (ring_.size() - 1)]; }
  std::size_t home_of(const Uuid& uuid) const;
  std::uint32_t find(const Uuid& uuid) const;  // its slot
  void erase(std::size_t slot);
  void forget_oldest();
  void give_up_from(std::uint64_t number);

  const DedupSettings settings_;
  std::vector<Entry> ring_;  // a power of two; entries oldest_ to newest_ - 1
  std::vector<std::uint32_t> slots_;  // a power of two, at most half full; place in the ring, or kNone
  std::uint64_t oldest_ = 0;
  std::uint64_t newest_ = 0;
  std::uint64_t in_flight_from_ = 0;
  std::uint64_t batch_from_ = 0;
  Timestamp covers_from_;
};

}  // namespace penstock::ingest
