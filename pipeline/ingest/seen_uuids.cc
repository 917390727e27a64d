#include "pipeline/ingest/seen_uuids.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace penstock::ingest {

SeenUuids::SeenUuids(DedupSettings settings) : settings_(settings) {
  if (!enabled()) return;
  ring_.resize(std::bit_ceil(settings_.uuids_max));
  slots_.resize(2 * ring_.size(), kNone);
}

// Uuids are random where it matters, but a client may count: so every bit has a say.
std::size_t SeenUuids::home_of(const Uuid& uuid) const {
  std::uint64_t high;
  std::uint64_t low;
  std::memcpy(&high, uuid.bytes.data(), 8);
  std::memcpy(&low, uuid.bytes.data() + 8, 8);
  const std::uint64_t mixed = (high ^ std::rotl(low, 32)) * 0x9E3779B97F4A7C15ULL;
  return static_cast<std::size_t>(mixed >> 32) & (slots_.size() - 1);
}

std::uint32_t SeenUuids::find(const Uuid& uuid) const {
  if (!enabled()) return kNone;
  for (std::size_t slot = home_of(uuid);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot] == kNone) return kNone;
    if (ring_[slots_[slot]].uuid == uuid) return static_cast<std::uint32_t>(slot);
  }
}

bool SeenUuids::claim(const Uuid& uuid, Timestamp now) {
  if (!enabled()) return true;
  const auto seconds = static_cast<std::uint32_t>(now.ms / 1000);
  const auto window = static_cast<std::uint32_t>(settings_.window.count() / 1000);
  while (size() > 0 && at(oldest_).seconds + window < seconds) forget_oldest();
  if (find(uuid) != kNone) return false;
  if (size() == settings_.uuids_max) forget_oldest();
  if (size() == 0 && covers_from_.ms == 0) covers_from_ = now;
  at(newest_) = {uuid, seconds};
  std::size_t slot = home_of(uuid);
  while (slots_[slot] != kNone) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<std::uint32_t>(newest_ & (ring_.size() - 1));
  ++newest_;
  return true;
}

// Closes the gap, so that searches need no marks of what was there.
void SeenUuids::erase(std::size_t slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot;
  for (std::size_t next = (hole + 1) & mask; slots_[next] != kNone; next = (next + 1) & mask) {
    const std::size_t home = home_of(ring_[slots_[next]].uuid);
    if (((next - home) & mask) < ((next - hole) & mask)) continue;  // it would come before its home
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = kNone;
}

void SeenUuids::forget_oldest() {
  covers_from_ = {(std::int64_t{at(oldest_).seconds} + 1) * 1000};
  erase(find(at(oldest_).uuid));
  ++oldest_;
  in_flight_from_ = std::max(in_flight_from_, oldest_);
  batch_from_ = std::max(batch_from_, oldest_);
}

void SeenUuids::batch_appended() {
  in_flight_from_ = batch_from_;
  batch_from_ = newest_;
}

void SeenUuids::give_up_from(std::uint64_t number) {
  while (newest_ > number) {
    erase(find(at(newest_ - 1).uuid));
    --newest_;
  }
}

void SeenUuids::give_up() {
  give_up_from(in_flight_from_);
  batch_from_ = newest_;
}

}  // namespace penstock::ingest
