#include "pipeline/delivery/window.h"

#include <algorithm>
#include <iterator>

#include "pipeline/base/check.h"

namespace penstock::delivery {
namespace {

constexpr int kLiveInARow = 3;

}  // namespace

KeyLanes Window::lanes_of(const Shipment& shipment) const {
  return order_ == Order::key ? shipment.key_lanes() : KeyLanes();
}

// By what is in flight or waits; a handful of shipments.
KeyLanes Window::taken() const {
  KeyLanes lanes;
  if (order_ == Order::none) return lanes;
  for (const auto& [ticket, flight] : in_flight_) lanes |= flight.shipment.key_lanes();
  for (const auto& [when, shipment] : waiting_) lanes |= shipment.key_lanes();
  return lanes;
}

template <class Ones, class Visit>
void Window::each_sendable(Ones& ready, KeyLanes taken, Visit visit) {
  for (auto it = ready.begin(); it != ready.end(); ++it) {
    const KeyLanes& lanes = it->second.lanes;
    const bool all_taken = lanes.any() && (lanes & ~taken).none();
    if (!all_taken && !visit(it, taken)) return;
    taken |= lanes;
  }
}

void Window::joins_ready(const Shipment& shipment) {
  if (shipment.tried == 0) return;
  ++ready_tried_;
  if (shipment.parcels.size() == 1) ++ready_alone_;
}

void Window::leaves_ready(const Shipment& shipment) {
  if (shipment.tried == 0) return;
  --ready_tried_;
  if (shipment.parcels.size() == 1) --ready_alone_;
}

void Window::add(Shipment shipment) {
  const auto order = shipment.order();
  joins_ready(shipment);
  const KeyLanes lanes = lanes_of(shipment);
  const bool added = ready_.emplace(order, Ready{std::move(shipment), lanes}).second;
  CHECK(added);
}

void Window::add_later(Shipment shipment, SteadyTime when) { waiting_.emplace(when, std::move(shipment)); }

void Window::promote(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    add(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
  }
}

Window::Count Window::count_sendable() const {
  if (order_ == Order::none) return {ready_.size(), ready_tried_};
  Count count;
  each_sendable(ready_, taken(), [&](auto it, const KeyLanes&) {
    ++count.all;
    if (it->second.shipment.tried > 0) ++count.tried;
    return true;
  });
  return count;
}

// What is taken of its lanes stays behind.
Shipment Window::extract(ReadyOnes::iterator it, const KeyLanes& taken) {
  Ready whole = std::move(ready_.extract(it).mapped());
  leaves_ready(whole.shipment);
  if ((whole.lanes & taken).none()) return std::move(whole.shipment);
  std::vector<Parcel> goes;
  std::vector<Parcel> stays;
  for (const Parcel& parcel : whole.shipment.parcels) (taken[parcel.key_lane] ? stays : goes).push_back(parcel);
  add(part_of(whole.shipment, std::move(stays)));
  return part_of(whole.shipment, std::move(goes));
}

// The first half; the other one stays. What was tried in vain may have one event that is to blame, and the rest proves it.
Shipment Window::halve(Shipment whole) {
  const auto middle = whole.parcels.begin() + static_cast<std::ptrdiff_t>(whole.parcels.size() / 2);
  std::vector<Parcel> rest(std::make_move_iterator(middle), std::make_move_iterator(whole.parcels.end()));
  whole.parcels.erase(middle, whole.parcels.end());
  add(part_of(whole, std::move(rest)));
  return whole;
}

std::pair<Window::Ticket, Batch> Window::take_off(SteadyTime now, bool another) {
  auto chosen = ready_.end();
  KeyLanes taken_before;
  const bool others_turn = !another && live_in_a_row_ >= kLiveInARow;
  bool is_first = false;  // `chosen` is
  each_sendable(ready_, taken(), [&](auto it, const KeyLanes& before) {
    const bool first = chosen == ready_.end();
    const bool its_turn = others_turn && traffic_of(it->second.shipment.mark) != Traffic::live;
    const bool longer_ago = another && !first && (is_first || it->second.shipment.tried < chosen->second.shipment.tried);
    if (first || its_turn || longer_ago) {
      is_first = first;
      chosen = it;
      taken_before = before;
    }
    return another || (others_turn && !its_turn);
  });
  CHECK(chosen != ready_.end());
  Shipment goes = extract(chosen, taken_before);
  if (another && goes.tried > 0 && goes.parcels.size() > 1) goes = halve(std::move(goes));
  live_in_a_row_ = traffic_of(goes.mark) == Traffic::live ? live_in_a_row_ + 1 : 0;
  Batch batch = goes.batch();
  goes.tried = ++last_ticket_;
  in_flight_.emplace(last_ticket_, Flight{std::move(goes), now});
  return {last_ticket_, std::move(batch)};
}

std::optional<Window::Flight> Window::land(Ticket ticket) {
  auto flight = in_flight_.extract(ticket);
  if (flight.empty()) return std::nullopt;
  return std::move(flight.mapped());
}

std::optional<SteadyTime> Window::longest_in_flight() const {
  std::optional<SteadyTime> longest;
  for (const auto& [ticket, flight] : in_flight_)
    longest = std::min(longest.value_or(flight.submitted_at), flight.submitted_at);
  return longest;
}

std::vector<Shipment> Window::take_out(const KeyLanes& lanes,
                                       const std::function<bool(const Shipment&, const Parcel&)>& wanted) {
  return take_out_of(
      [&](const Shipment& whole) { return (whole.key_lanes() & lanes).any(); },
      [&](const Shipment& whole, const Parcel& parcel) { return lanes[parcel.key_lane] && wanted(whole, parcel); });
}

std::vector<Shipment> Window::take_out(Traffic traffic, const std::function<bool(const Parcel&)>& wanted) {
  return take_out_of([traffic](const Shipment& whole) { return traffic_of(whole.mark) == traffic; },
                     [&](const Shipment&, const Parcel& parcel) { return wanted(parcel); });
}

std::vector<Shipment> Window::take_out_of(const Touched& touched,
                                          const std::function<bool(const Shipment&, const Parcel&)>& wanted) {
  std::vector<Shipment> taken;
  std::vector<Shipment> ready;
  std::vector<std::pair<SteadyTime, Shipment>> waiting;
  // What stays of a shipment that is touched.
  const auto part = [&](Shipment whole) -> std::optional<Shipment> {
    std::vector<Parcel> goes;
    std::vector<Parcel> stays;
    for (const Parcel& parcel : whole.parcels) (wanted(whole, parcel) ? goes : stays).push_back(parcel);
    if (!goes.empty()) taken.push_back(part_of(whole, std::move(goes)));
    return stays.empty() ? std::nullopt : std::optional(part_of(whole, std::move(stays)));
  };
  std::erase_if(ready_, [&](auto& entry) {
    if (!touched(entry.second.shipment)) return false;
    leaves_ready(entry.second.shipment);
    if (auto stays = part(std::move(entry.second.shipment))) ready.push_back(*std::move(stays));
    return true;
  });
  std::erase_if(waiting_, [&](auto& entry) {
    if (!touched(entry.second)) return false;
    if (auto stays = part(std::move(entry.second))) waiting.emplace_back(entry.first, *std::move(stays));
    return true;
  });
  for (Shipment& shipment : ready) add(std::move(shipment));
  for (auto& [when, shipment] : waiting) add_later(std::move(shipment), when);
  return taken;
}

void Window::drop_waiting(Traffic traffic) {
  std::erase_if(ready_, [&](const auto& entry) {
    const Shipment& shipment = entry.second.shipment;
    if (traffic_of(shipment.mark) != traffic) return false;
    leaves_ready(shipment);
    return true;
  });
  std::erase_if(waiting_, [traffic](const auto& entry) { return traffic_of(entry.second.mark) == traffic; });
}

void Window::drop_waiting() {
  ready_.clear();
  ready_tried_ = ready_alone_ = 0;
  waiting_.clear();
}

}  // namespace penstock::delivery
