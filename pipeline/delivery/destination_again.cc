// The retry lane: dead letters that somebody wants sent again, to this destination alone. They go through the same window and
// the same rules as everything else, after what is live. What is wanted stands in the store, so a restart goes on with it; a
// letter is wanted until it was delivered, and then is no more, or until it died again.
#include <utility>

#include "pipeline/base/log.h"
#include "pipeline/delivery/destination_loop.h"

namespace penstock::delivery {
namespace {

// Letters in memory at a time, besides the settings' batch.
constexpr std::size_t kLettersMax = 1000;

EventView view_of(const DeadLetter& letter) {
  EventView view;
  view.facts.uuid = letter.uuid;
  view.facts.project = letter.project;
  view.facts.event = letter.event;
  view.facts.distinct_id = letter.distinct_id;
  view.facts.timestamp = letter.timestamp.ms != 0 ? letter.timestamp : letter.received_at;
  view.facts.received_at = letter.received_at;
  view.facts.source = letter.source;
  view.body = letter.body;
  return view;
}

}  // namespace

void DestinationLoop::send_again() {
  home_.post([this] {
    again_wanted_ = true;
    pump();
  });
}

// One batch at a time: the next is read when nothing of the last is open any more, so that none is read twice.
void DestinationLoop::read_again() {
  if (!again_wanted_ || again_open_ > 0 || paused_ || suspended_until_) return;
  if (!window_has_room()) return;
  const auto limit = std::min(kLettersMax, static_cast<std::size_t>(batch_limits_.events));
  auto wanted = around_.store.wanted(name_, limit);
  again_wanted_ = wanted && !wanted->empty();
  if (!wanted) log_error("delivery", "destination {}: dead letters cannot be read: {}", name_, wanted.error().message);
  if (!again_wanted_) return;
  auto letters = std::make_shared<const std::vector<dead::Listed>>(*std::move(wanted));
  again_ = letters;
  again_open_ = letters->size();
  Shipment shipment;
  shipment.mark = ++again_mark_;
  shipment.keeps.push_back(letters);
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < letters->size(); ++i) {
    const DeadLetter& letter = (*letters)[i].letter;
    if (!shipment.parcels.empty() && bytes + letter.body.size() > batch_limits_.bytes.count) {
      Shipment full = std::exchange(shipment, {});
      shipment.mark = ++again_mark_;
      shipment.keeps = full.keeps;
      dispatch(std::move(full));
      bytes = 0;
    }
    bytes += letter.body.size();
    shipment.parcels.push_back({view_of(letter), i, letter.partition, 0});
  }
  dispatch(std::move(shipment));
}

void DestinationLoop::delivered_again(const std::vector<Parcel>& parcels) {
  for (const Parcel& parcel : parcels) recorder_.discard((*again_)[parcel.place].id);
  recorder_.write();
}

// The same letter, by its id, with what is new about it.
DeadLetter DestinationLoop::letter_again(const Parcel& parcel) const {
  DeadLetter letter = (*again_)[parcel.place].letter;
  letter.last_at = around_.clock.now();
  return letter;
}

void DestinationLoop::settled_again(std::size_t letters) {
  again_open_ -= std::min(again_open_, letters);
  if (again_open_ == 0) again_.reset();
}

}  // namespace penstock::delivery
