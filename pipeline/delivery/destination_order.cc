// What a dead letter holds up. With `on_dead: block` the later events of its key become dead letters behind it instead of waiting
// in memory: so the cursor goes on, other keys are not held up, and a restart changes nothing. When the first letter of a key is
// delivered or discarded, those that only wait behind it are sent again, in the order of the log.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "pipeline/delivery/dead_keys.h"
#include "pipeline/delivery/destination_loop.h"
#include "pipeline/delivery/key_lanes.h"

namespace penstock::delivery {

void DestinationLoop::record(DeadLetter letter, LowWater::Mark mark, Origin* origin) {
  if (blocked_) {
    blocked_->writing(key_of(letter), letter.offset);
    if (again_ && letter.code != kBehindDead) blocked_->died(key_of(letter), letter.offset);
  }
  const bool repeated = origin != nullptr && std::exchange(origin->dead, true);
  const bool whole = origin == nullptr || origin->only;
  const auto traffic = traffic_of(mark);
  const Sent first = traffic == Traffic::live && whole ? Sent::first : Sent::beside;
  recorder_.bury(std::move(letter), mark, repeated, traffic == Traffic::again ? Sent::again : first);
}

// Letters were discarded by somebody else: any key may be free.
void DestinationLoop::letters_discarded() {
  home_.post([this] {
    forget_discarded_again();
    release_all();
  });
}

void DestinationLoop::release_all() {
  if (!blocked_) return;
  for (const OrderKey key : blocked_->all()) recorder_.release(key);
  recorder_.write();
}

// What stayed because something before it had died may go by now: that may have been discarded meanwhile.
void DestinationLoop::all_through() {
  if (!blocked_) return;
  for (const OrderKey key : blocked_->all_through()) recorder_.release(key);
  recorder_.write();
}

void DestinationLoop::release(const DeadLetter& letter) {
  if (const OrderKey key = key_of(letter); blocked_ && key != 0) recorder_.release(key);
}

void DestinationLoop::released(const DeliveryStore::Released& released) {
  if (!blocked_) return;
  for (const OrderKey key : released.free) blocked_->free(key);
  if (released.wanted) {
    again_wanted_ = found_again_ = true;
    wanted_again_at_.reset();  // whatever others wait for
  }
  metrics_.blocked_keys.set(static_cast<double>(blocked_->size()));
}

bool DestinationLoop::waits_behind(const Parcel& parcel, LowWater::Mark mark) const {
  if (!blocked_) return false;
  switch (traffic_of(mark)) {
    case Traffic::live: return blocked_->holds(key_of(parcel.logged().facts), parcel.offset);
    case Traffic::replay: return false;  // somebody wants just these
    case Traffic::again: return waits_again((*again_->letters)[parcel.offset].letter);
  }
  return false;
}

bool DestinationLoop::waits_again(const DeadLetter& letter) const {
  return blocked_ && blocked_->holds_again(key_of(letter), letter.offset);
}

// Somebody may want letters of a key without those before them: these stay where they are, and their ids are returned. All that were
// sent before are settled, so the store says what is before them. While it cannot, or one before them cannot be read, nobody knows
// whether they may go: those are taken out of `letters`, and are wanted as before.
std::vector<std::string> DestinationLoop::leave_out_of_order(std::vector<dead::Listed>& letters) {
  std::vector<std::string> held_up;
  if (!blocked_) return held_up;
  std::unordered_map<OrderKey, std::vector<std::string>> wanted;
  for (const auto& each : letters)
    if (const OrderKey key = key_of(each.letter); key != 0) wanted[key].push_back(each.id);
  std::vector<DeliveryStore::Wanted::Unread> unread;
  for (const auto& [key, ids] : wanted) {
    const auto first = around_.store.first_of(name_, key, ids.size());
    bool unknown = !first;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      unknown = unknown || (i < first->size() && unread_again_.contains((*first)[i]));
      if (unknown) {
        unread.push_back({ids[i], first ? Error{ErrorKind::io, "a letter before it cannot be read"} : first.error()});
      } else if (i >= first->size() || (*first)[i] != ids[i]) {
        held_up.push_back(ids[i]);
      }
    }
  }
  note_unread(unread);
  std::erase_if(letters, [&](const auto& each) {
    return std::ranges::any_of(unread, [&](const auto& left) { return left.id == each.id; });
  });
  return held_up;
}

// Takes out of the shipment what a dead letter holds up; false: nothing is left of it.
bool DestinationLoop::park_blocked(Shipment& shipment) {
  if (!blocked_) return true;
  std::vector<Parcel> goes;
  for (const Parcel& parcel : shipment.parcels) {
    if (waits_behind(parcel, shipment.mark)) park(parcel, shipment.mark);
    else goes.push_back(parcel);
  }
  shipment.parcels = std::move(goes);
  recorder_.write();
  return !shipment.parcels.empty();
}

// The same for what is in the window already, in the lanes of those that died.
void DestinationLoop::park_behind(const KeyLanes& lanes) {
  if (!blocked_ || lanes.none()) return;
  const auto taken = window_.take_out(
      lanes, [this](const Shipment& whole, const Parcel& parcel) { return waits_behind(parcel, whole.mark); });
  for (const Shipment& shipment : taken)
    for (const Parcel& parcel : shipment.parcels) park(parcel, shipment.mark);
  recorder_.write();
}

// Letters that are sent again go on: they are what makes room.
bool DestinationLoop::too_many_blocked() const {
  return blocked_ && blocked_->size() >= static_cast<std::size_t>(settings_.blocked_max);
}

// Once a second: whoever looks at the status is to know which one to mend.
void DestinationLoop::look_for_blocker() {
  blocker_.clear();
  if (!blocked_ || blocked_->size() == 0) return;
  const auto first = around_.store.first_blocker(name_);
  const std::string ids = blocked_->size() == 1 ? "1 distinct_id is" : fmt::format("{} distinct_ids are", blocked_->size());
  blocker_ = ids + " held up by dead letters";
  if (!first) {
    blocker_ += ", which cannot be read: " + first.error().message;
  } else if (*first) {
    const auto& letter = (*first)->letter;
    blocker_ += fmt::format(
        ", the first of them {} ({}, distinct_id {}): `penstock dead replay ID` sends it again, `penstock dead discard ID` "
        "lets the "
        "others go",
        (*first)->id, letter.code, letter.distinct_id);
  } else if (!too_many_blocked()) {
    blocker_.clear();  // they are on their way
  }
  if (too_many_blocked())
    blocker_ += fmt::format("; no more is read until they are fewer than {} (blocked_max)", settings_.blocked_max);
}

void DestinationLoop::park(const Parcel& parcel, LowWater::Mark mark) {
  if (traffic_of(mark) == Traffic::again) {
    auto& death = again_->fates[parcel.offset].death;
    return died_again(parcel, death ? *std::move(death) : (*again_->letters)[parcel.offset].letter);
  }
  DeadLetter letter = letter_for(parcel.logged(), parcel.partition, parcel.offset);
  letter.code = kBehindDead;
  letter.reason =
      "an event of this distinct_id that is before it is a dead letter; it goes when that was delivered or discarded";
  letter.first_at = letter.last_at;
  release(letter);
  record(std::move(letter), mark, parcel.origin);
}

}  // namespace penstock::delivery
