#pragma once
// Events that are written together, and what they have been through. They start as one batch; a rejected one is halved, a
// partly answered one shrinks, and the parts go on as shipments of their own.

#include <bitset>
#include <compare>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/delivery/low_water.h"
#include "pipeline/delivery/made_events.h"
#include "pipeline/delivery/suspicion.h"
#include "pipeline/ports/destination.h"

namespace penstock::delivery {

struct Parcel {
  EventView view;
  std::uint32_t place = 0;  // in the batch it was read into
  std::int32_t partition = 0;
  std::uint64_t offset = 0;  // of a letter that is sent again: its number among those
  std::uint16_t key_lane = 0;  // with `order: key`, see key_lanes.h
  Origin* origin = nullptr;  // what the destination's apps made it of; null: it is the event of the log

  const EventView& logged() const { return origin == nullptr ? view : origin->event; }
};

inline constexpr unsigned kKeyLaneBits = 10;
using KeyLanes = std::bitset<1U << kKeyLaneBits>;

// Marks from here on belong to the retry lane: dead letters that are sent again. They have no place in the log, have
// their turns beside what is live, and move no cursor.
inline constexpr LowWater::Mark kAgainMarks = LowWater::Mark{1} << 63;
// The same for a replay, whose marks are those of its own low water.
inline constexpr LowWater::Mark kReplayMarks = LowWater::Mark{1} << 62;

enum class Traffic : std::uint8_t { live, replay, again };
constexpr Traffic traffic_of(LowWater::Mark mark) {
  return mark >= kAgainMarks ? Traffic::again : mark >= kReplayMarks ? Traffic::replay : Traffic::live;
}

struct Shipment {
  LowWater::Mark mark = 0;
  std::vector<Parcel> parcels;  // at least one
  std::vector<std::shared_ptr<const void>> keeps;  // the chunks their views point into
  int attempts = 0;  // answers that were about the events: rejected or retry
  int retries = 0;  // of these, retry
  Timestamp first_failed_at;  // of the first such answer
  SteadyTime first_failed{};
  Suspicion suspicion;  // whether its failures are its own fault
  std::uint64_t tried = 0;  // the ticket of its last flight; 0: it had none
  int pauses = 0;  // that it was given, while it was set aside
  std::size_t aside_bytes = 0;  // it is set aside (set_aside.h), with a copy of its own of so many bytes; 0: it is not

  bool aside() const { return aside_bytes > 0; }
  // It has failed, and does not only stand behind one that has.
  bool failing() const { return pauses > 0 || attempts > 0; }

  // The place in reading order. No two shipments have the same.
  std::pair<LowWater::Mark, std::uint32_t> order() const { return {mark, parcels.front().place}; }

  KeyLanes key_lanes() const {
    KeyLanes lanes;
    for (const auto& parcel : parcels) lanes.set(parcel.key_lane);
    return lanes;
  }

  Batch batch() const {
    Batch made;
    made.events.reserve(parcels.size());
    for (const auto& parcel : parcels) {
      made.events.push_back(parcel.view);
      made.bytes += parcel.view.body.size();
    }
    made.keeps = keeps;
    return made;
  }
};

// Some of its parcels, with what they have been through together.
inline Shipment part_of(const Shipment& whole, std::vector<Parcel> parcels) {
  Shipment part;
  part.mark = whole.mark;
  part.parcels = std::move(parcels);
  part.keeps = whole.keeps;
  part.attempts = whole.attempts;
  part.retries = whole.retries;
  part.first_failed_at = whole.first_failed_at;
  part.first_failed = whole.first_failed;
  part.suspicion = whole.suspicion;
  part.tried = whole.tried;
  part.pauses = whole.pauses;
  part.aside_bytes = whole.aside_bytes;
  return part;
}

}  // namespace penstock::delivery
