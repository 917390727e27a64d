#include "pipeline/delivery/key_lanes.h"

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

}  // namespace penstock::delivery
