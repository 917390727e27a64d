#include "pipeline/delivery/key_lanes.h"

#include <array>
#include <limits>
#include <utility>

namespace penstock::delivery {
namespace {

class Cut {
 public:
  Cut(const Shipment& whole, const BatchSettings& limits) : whole_(whole), limits_(limits) {}

  void add(Parcel parcel) {
    const std::size_t size = parcel.view.body.size();
    const bool full = parcels_.size() >= static_cast<std::size_t>(limits_.events) || bytes_ + size > limits_.bytes.count;
    if (full && !parcels_.empty()) close();
    bytes_ += size;
    parcels_.push_back(std::move(parcel));
  }
  void close() {
    if (!parcels_.empty()) done_.push_back(part_of(whole_, std::exchange(parcels_, {})));
    bytes_ = 0;
  }
  std::vector<Shipment>& done() { return done_; }

 private:
  const Shipment& whole_;
  const BatchSettings& limits_;
  std::vector<Parcel> parcels_;
  std::size_t bytes_ = 0;
  std::vector<Shipment> done_;
};

// The last place of what was closed, by lane.
using Ends = std::array<std::uint32_t, 1U << kKeyLaneBits>;

// One part while it is cut into pieces.
class Pieces {
 public:
  explicit Pieces(Shipment whole) : whole_(std::move(whole)) {}

  // Of the parcels that are in no piece yet.
  const Parcel* next() const { return taken_ < whole_.parcels.size() ? &whole_.parcels[taken_] : nullptr; }
  void take() {
    lanes_.set(next()->key_lane);
    open_.push_back(*next());
    ++taken_;
  }
  bool open_in(std::uint16_t lane) const { return lanes_[lane]; }
  bool open_before(std::uint32_t place) const { return !open_.empty() && open_.front().place < place; }
  void close(Ends& ends) {
    if (open_.empty()) return;
    for (const Parcel& parcel : open_) ends[parcel.key_lane] = open_.back().place;
    done_.push_back(part_of(whole_, std::exchange(open_, {})));
    lanes_.reset();
  }
  std::vector<Shipment> done() && { return std::move(done_); }

 private:
  Shipment whole_;
  std::size_t taken_ = 0;
  std::vector<Parcel> open_;
  KeyLanes lanes_;  // of what is open
  std::vector<Shipment> done_;
};

// The part whose next parcel stands first.
Pieces* first_of(std::vector<Pieces>& parts) {
  Pieces* first = nullptr;
  for (Pieces& part : parts)
    if (part.next() != nullptr && (first == nullptr || part.next()->place < first->next()->place)) first = &part;
  return first;
}

}  // namespace

std::uint16_t key_lane_of(const Facts& facts) {
  // The log's partitions are the same hash; multiplying takes bits from all of it, so that one partition is in every group.
  constexpr std::uint32_t kGoldenRatio = 0x9E3779B1U;
  const auto hash = static_cast<std::uint32_t>(partition_of(facts, std::numeric_limits<int>::max()));
  return static_cast<std::uint16_t>((hash * kGoldenRatio) >> (32 - kKeyLaneBits));
}

std::vector<Shipment> cut_by_key(Shipment whole, std::size_t groups, const BatchSettings& limits) {
  std::vector<Cut> cuts(groups, Cut(whole, limits));
  for (Parcel parcel : whole.parcels) {
    parcel.key_lane = key_lane_of(parcel.logged().facts);
    cuts[parcel.key_lane % groups].add(std::move(parcel));
  }
  std::vector<Shipment> made;
  for (Cut& cut : cuts) {
    cut.close();
    std::ranges::move(cut.done(), std::back_inserter(made));
  }
  return made;
}

void cut_apart(std::span<std::vector<Shipment>> parts) {
  std::vector<std::vector<Shipment>*> filled;
  for (auto& part : parts)
    if (!part.empty()) filled.push_back(&part);
  if (filled.size() < 2) return;
  std::vector<Pieces> cuts;
  for (auto* part : filled) cuts.emplace_back(std::move(part->front()));
  Ends ends{};
  while (Pieces* const first = first_of(cuts)) {
    const std::uint16_t lane = first->next()->key_lane;
    for (Pieces& other : cuts)
      if (&other != first && other.open_in(lane)) other.close(ends);
    if (first->open_before(ends[lane])) first->close(ends);
    first->take();
  }
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    cuts[i].close(ends);
    *filled[i] = std::move(cuts[i]).done();
  }
}

}  // namespace penstock::delivery
