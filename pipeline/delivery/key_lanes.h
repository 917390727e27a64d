#pragma once
// `order: key`: events of one distinct id go one write after another, whatever happens to a write. Keys share 1024 lanes, so
// that what is under way in them is a set of bits; two keys in one lane wait for each other without need, and that is all.
// Pure functions.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/delivery/settings.h"
#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

// By project and distinct id of the event in the log, whatever apps make of it; an event without distinct id has no order to keep, and goes by its uuid.
std::uint16_t key_lane_of(const Facts& facts);

// Groups of keys that may be under way side by side; each may fill a batch.
inline std::size_t key_groups(const DestinationSettings& settings) {
  return static_cast<std::size_t>(std::min(settings.in_flight_max, 16));
}

// Cuts what was read together into `groups` that share no lane, so that they may be under way side by side; within a group the
// order stays, and no shipment is larger than the limits. Gives every parcel its lane.
std::vector<Shipment> cut_by_key(Shipment whole, std::size_t groups, const BatchSettings& limits);

// `parts`: what became of one shipment, a shipment of each part at most. Cuts them into pieces, so that of two that share a lane all
// of one is before all of the other in reading order, as with shipments that were never parted. So the front of each says in which
// order they go, also when some of it has gone before. Were 5 and 9 of one lane, and the parts [2, 9] and [5], then 9 would go first,
// and of [2, 9] and [1, 5] too, once 1 had gone by itself.
void cut_apart(std::span<std::vector<Shipment>> parts);

}  // namespace penstock::delivery
