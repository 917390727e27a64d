#pragma once
// The batch that is being put together. Full by events or bytes, due by age. Lives on one strand.

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/delivery/feed.h"
#include "pipeline/delivery/made_events.h"
#include "pipeline/delivery/settings.h"
#include "pipeline/delivery/shipment.h"
#include "pipeline/event/dead_letter.h"

namespace penstock::delivery {

class Draft {
 public:
  bool empty() const { return parcels.empty() && letters.empty(); }
  bool fits(const EventView& event, const BatchSettings& limits) const {
    return empty() || bytes + event.body.size() <= limits.bytes.count;
  }
  bool full(const BatchSettings& limits) const {
    return parcels.size() + letters.size() >= static_cast<std::size_t>(limits.events) || bytes >= limits.bytes.count;
  }
  SteadyTime due(const BatchSettings& limits) const { return opened_at + limits.within; }

  void add(const Feed::Current& event) { add(event, event.view, nullptr); }
  // One of those that apps made of it, or the `only` one.
  void add_made(const Feed::Current& event, const EventView& part, bool only) {
    if (!made) keeps.push_back(made = std::make_shared<MadeEvents>());
    Origin& origin = made->origin_of(event.view);
    origin.only = only;
    add(event, made->keep(part), &origin);
  }
  // An event that goes no further, but is settled only once its letter is durable.
  void add_letter(const Feed::Current& event, DeadLetter letter) {
    note(event);
    bytes += letter.body.size();
    letters.push_back(std::move(letter));
  }

  std::vector<Parcel> parcels;
  std::vector<std::shared_ptr<const void>> keeps;
  std::shared_ptr<MadeEvents> made;  // in `keeps`, too; null: there are none
  std::vector<DeadLetter> letters;
  std::size_t bytes = 0;  // of the bodies of both
  Timestamp oldest;        // received_at, when not empty
  SteadyTime opened_at{};  // set by the owner before the first

  // What goes to the destination; nothing if there are only letters.
  Shipment ship(LowWater::Mark mark) {
    Shipment shipment;
    shipment.mark = mark;
    shipment.parcels = std::move(parcels);
    shipment.keeps = std::move(keeps);
    return shipment;
  }

 private:
  void add(const Feed::Current& event, const EventView& part, Origin* origin) {
    note(event);
    parcels.push_back({part, static_cast<std::uint32_t>(parcels.size()), event.partition, event.offset, 0, origin});
    bytes += part.body.size();
    if (event.chunk && (keeps.empty() || keeps.back() != event.chunk)) keeps.push_back(event.chunk);
  }
  void note(const Feed::Current& event) {
    const Timestamp received = event.view.facts.received_at;
    oldest = empty() ? received : std::min(oldest, received);
  }
};

}  // namespace penstock::delivery
