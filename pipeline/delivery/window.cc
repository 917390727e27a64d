#include "pipeline/delivery/window.h"

#include <algorithm>
#include <iterator>

#include "pipeline/base/check.h"
#include "pipeline/delivery/set_aside.h"

namespace penstock::delivery {
namespace {

constexpr int kLiveInARow = 3;
constexpr int kTurnsOfOnePlace = 7;  // between two of what is set aside

bool any_other_than_live(const auto& ready) {
  return !ready.empty() && traffic_of(ready.rbegin()->first.first) != Traffic::live;
}

}  // namespace

KeyLanes Window::lanes_of(const Shipment& shipment) const {
  return order_ == Order::key ? shipment.key_lanes() : KeyLanes();
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

template <class Wanted>
std::optional<Window::Choice> Window::first_sendable(ReadyOnes& ready, const KeyLanes& taken, Wanted wanted) {
  std::optional<Choice> first;
  each_sendable(ready, taken, [&](auto it, const KeyLanes& before) {
    if (wanted(it->second.shipment)) first = Choice{&ready, it, before};
    return !first;
  });
  return first;
}

Shipment Window::part_in(const KeyLanes& lanes, Shipment& whole) {
  std::vector<Parcel> in;
  std::vector<Parcel> rest;
  for (const Parcel& parcel : whole.parcels) (lanes[parcel.key_lane] ? in : rest).push_back(parcel);
  whole.parcels = std::move(rest);
  return part_of(whole, std::move(in));
}

void Window::count_aside(const Shipment& shipment, const KeyLanes& lanes) {
  Load& load = aside_load_[static_cast<std::size_t>(traffic_of(shipment.mark))];
  ++load.shipments;
  if (++aside_marks_[shipment.mark] == 1) ++load.marks;
  if (shipment.failing()) {
    ++load.failing;
    failing_lanes_.add(lanes);
  }
  load.events += shipment.parcels.size();
  load.bytes += bytes_of(shipment);
  aside_lanes_.add(lanes);
}

void Window::uncount_aside(const Shipment& shipment, const KeyLanes& lanes) {
  Load& load = aside_load_[static_cast<std::size_t>(traffic_of(shipment.mark))];
  --load.shipments;
  if (const auto of_mark = aside_marks_.find(shipment.mark); --of_mark->second == 0) {
    aside_marks_.erase(of_mark);
    --load.marks;
  }
  if (shipment.failing()) {
    --load.failing;
    failing_lanes_.remove(lanes);
  }
  load.events -= shipment.parcels.size();
  load.bytes -= bytes_of(shipment);
  aside_lanes_.remove(lanes);
}

Window::Load Window::aside() const {
  Load sum;
  for (const Load& each : aside_load_) {
    sum.marks += each.marks;
    sum.shipments += each.shipments;
    sum.failing += each.failing;
    sum.events += each.events;
    sum.bytes += each.bytes;
  }
  return sum;
}

// What stands behind it in its lanes.
void Window::pull_aside(const KeyLanes& lanes) {
  if (lanes.none()) return;
  std::vector<Shipment> touched;
  for (auto it = ready_.begin(); it != ready_.end();) {
    const auto at = it++;
    if ((at->second.lanes & lanes).none()) continue;
    forget(at->second);
    touched.push_back(std::move(at->second.shipment));
    ready_.erase(at);
  }
  for (Shipment& whole : touched) {
    Shipment behind = part_in(lanes, whole);
    set_aside(behind);
    put(std::move(behind));
    if (!whole.parcels.empty()) put(std::move(whole));
  }
}

void Window::count_tried(const Shipment& shipment, int by) {
  if (shipment.tried == 0) return;
  ready_tried_ += static_cast<std::size_t>(by);
  if (shipment.parcels.size() == 1) ready_alone_ += static_cast<std::size_t>(by);
}

void Window::put(Shipment shipment) {
  if (shipment.aside()) set_aside(shipment);  // the rest of a larger one
  const auto order = shipment.order();
  const KeyLanes lanes = lanes_of(shipment);
  if (shipment.aside()) count_aside(shipment, lanes);
  else count_tried(shipment, 1);
  auto& ones = shipment.aside() ? aside_ : ready_;
  const bool added = ones.emplace(order, Ready{std::move(shipment), lanes}).second;
  CHECK(added);
}

void Window::forget(const Ready& one) {
  if (one.shipment.aside()) uncount_aside(one.shipment, one.lanes);
  else count_tried(one.shipment, -1);
}

void Window::add(Shipment shipment) {
  const KeyLanes lanes = lanes_of(shipment);
  if (shipment.aside()) {
    pull_aside(lanes);
  } else if ((lanes & failing_lanes_.any()).any()) {
    Shipment behind = part_in(failing_lanes_.any(), shipment);
    set_aside(behind);
    put(std::move(behind));
    if (shipment.parcels.empty()) return;
  }
  put(std::move(shipment));
}

void Window::add_later(Shipment shipment, SteadyTime when) {
  set_aside(shipment);
  const KeyLanes lanes = lanes_of(shipment);
  pull_aside(lanes);
  count_aside(shipment, lanes);
  waiting_lanes_.add(lanes);
  waiting_.emplace(when, Ready{std::move(shipment), lanes});
}

void Window::promote(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    Ready one = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    waiting_lanes_.remove(one.lanes);
    uncount_aside(one.shipment, one.lanes);
    put(std::move(one.shipment));
  }
}

bool Window::sendable() const {
  if (order_ == Order::none) return !ready_.empty() || (!aside_.empty() && aside_may_go());
  bool any = false;
  const auto found = [&](auto, const KeyLanes&) { return !(any = true); };
  each_sendable(ready_, taken_for_ready(), found);
  if (!any && aside_may_go()) each_sendable(aside_, taken_for_aside(), found);
  return any;
}

Window::Count Window::count_sendable() const {
  if (order_ == Order::none) return {ready_.size(), ready_tried_};
  Count count;
  each_sendable(ready_, taken_for_ready(), [&](auto it, const KeyLanes&) {
    ++count.all;
    if (it->second.shipment.tried > 0) ++count.tried;
    return true;
  });
  return count;
}

Window::Choice Window::choose(Turn turn) {
  const KeyLanes for_ready = taken_for_ready();
  const KeyLanes for_aside = taken_for_aside();
  const auto any = [](const Shipment&) { return true; };
  const bool asides_turn = aside_may_go() && turns_since_aside_ >= (places_ > 1 ? 1 : kTurnsOfOnePlace);
  if (turn == Turn::usual && live_in_a_row_ >= kLiveInARow) {
    if (const auto other = choose_other_traffic(for_aside, for_ready, asides_turn)) return *other;
  }
  auto ready = first_sendable(ready_, for_ready, any);
  if (ready && (turn != Turn::usual || !asides_turn || aside_.empty())) {
    return turn == Turn::another ? longest_ago(*ready, for_ready) : *ready;
  }
  const auto aside = first_sendable(aside_, for_aside, any);
  if (!aside) {
    CHECK(ready);
    return *ready;
  }
  return turn == Turn::another ? longest_ago(*aside, for_aside) : *aside;
}

// A replay's or the retry lane's.
std::optional<Window::Choice> Window::choose_other_traffic(const KeyLanes& for_aside, const KeyLanes& for_ready,
                                                           bool asides_turn) {
  const auto other = [](const Shipment& shipment) { return traffic_of(shipment.mark) != Traffic::live; };
  std::optional<Choice> ready;
  if (any_other_than_live(ready_)) ready = first_sendable(ready_, for_ready, other);
  if ((ready && !asides_turn) || !aside_may_go() || !any_other_than_live(aside_)) return ready;
  const auto aside = first_sendable(aside_, for_aside, other);
  return aside ? aside : ready;
}

// Of its kind: what is set aside is no probe while there is anything else.
Window::Choice Window::longest_ago(const Choice& head, const KeyLanes& taken) {
  std::optional<Choice> chosen;
  each_sendable(*head.of, taken, [&](auto it, const KeyLanes& before) {
    if (it != head.it && (!chosen || it->second.shipment.tried < chosen->it->second.shipment.tried))
      chosen = Choice{head.of, it, before};
    return true;
  });
  return chosen.value_or(head);
}

// What is taken of its lanes stays behind.
Shipment Window::extract(const Choice& choice) {
  Ready whole = std::move(choice.of->extract(choice.it).mapped());
  forget(whole);
  if ((whole.lanes & choice.taken).none()) return std::move(whole.shipment);
  put(part_in(choice.taken, whole.shipment));
  return std::move(whole.shipment);
}

// The first half; the other one stays. What was tried in vain may have one event that is to blame, and the rest proves it.
Shipment Window::halve(Shipment whole) {
  const auto middle = whole.parcels.begin() + static_cast<std::ptrdiff_t>(whole.parcels.size() / 2);
  std::vector<Parcel> rest(std::make_move_iterator(middle), std::make_move_iterator(whole.parcels.end()));
  whole.parcels.erase(middle, whole.parcels.end());
  put(part_of(whole, std::move(rest)));
  return whole;
}

std::pair<Window::Ticket, Batch> Window::take_off(SteadyTime now, Turn turn) {
  Shipment goes = extract(choose(turn));
  if (turn == Turn::another && goes.tried > 0 && goes.parcels.size() > 1) goes = halve(std::move(goes));
  const KeyLanes lanes = lanes_of(goes);
  lanes_in_flight_ |= lanes;
  if (goes.aside()) {
    count_aside(goes, lanes);
    ++aside_in_flight_;
  }
  turns_since_aside_ = goes.aside() ? 0 : std::min(turns_since_aside_ + 1, kTurnsOfOnePlace);
  live_in_a_row_ = traffic_of(goes.mark) == Traffic::live ? live_in_a_row_ + 1 : 0;
  Batch batch = goes.batch();
  goes.tried = ++last_ticket_;
  in_flight_.emplace(last_ticket_, Flight{std::move(goes), now});
  return {last_ticket_, std::move(batch)};
}

std::optional<Window::Flight> Window::land(Ticket ticket) {
  auto flight = in_flight_.extract(ticket);
  if (flight.empty()) return std::nullopt;
  const Shipment& shipment = flight.mapped().shipment;
  const KeyLanes lanes = lanes_of(shipment);
  lanes_in_flight_ &= ~lanes;  // nothing else in flight had one of them
  if (shipment.aside()) {
    uncount_aside(shipment, lanes);
    --aside_in_flight_;
  }
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

template <class Gone>
void Window::erase_waiting(Gone gone) {
  std::erase_if(waiting_, [&](const auto& entry) {
    const Ready& one = entry.second;
    if (!gone(one.shipment)) return false;
    waiting_lanes_.remove(one.lanes);
    uncount_aside(one.shipment, one.lanes);
    return true;
  });
}

std::vector<Shipment> Window::take_out_of(const Touched& touched,
                                          const std::function<bool(const Shipment&, const Parcel&)>& wanted) {
  std::vector<Shipment> taken;
  std::vector<Shipment> ready;
  std::vector<std::pair<SteadyTime, Shipment>> waiting;
  // What stays of a shipment that is touched.
  const auto part = [&](const Shipment& whole) -> std::optional<Shipment> {
    std::vector<Parcel> goes;
    std::vector<Parcel> stays;
    for (const Parcel& parcel : whole.parcels) (wanted(whole, parcel) ? goes : stays).push_back(parcel);
    if (!goes.empty()) taken.push_back(part_of(whole, std::move(goes)));
    return stays.empty() ? std::nullopt : std::optional(part_of(whole, std::move(stays)));
  };
  for (ReadyOnes* ones : {&ready_, &aside_}) {
    std::erase_if(*ones, [&](const auto& entry) {
      if (!touched(entry.second.shipment)) return false;
      forget(entry.second);
      if (auto stays = part(entry.second.shipment)) ready.push_back(*std::move(stays));
      return true;
    });
  }
  for (const auto& [when, one] : waiting_) {
    if (!touched(one.shipment)) continue;
    if (auto stays = part(one.shipment)) waiting.emplace_back(when, *std::move(stays));
  }
  erase_waiting(touched);
  for (Shipment& shipment : ready) put(std::move(shipment));
  for (auto& [when, shipment] : waiting) add_later(std::move(shipment), when);
  return taken;
}

void Window::drop_waiting(Traffic traffic) {
  const auto gone = [traffic](const Shipment& shipment) { return traffic_of(shipment.mark) == traffic; };
  for (ReadyOnes* ones : {&ready_, &aside_}) {
    std::erase_if(*ones, [&](const auto& entry) {
      if (!gone(entry.second.shipment)) return false;
      forget(entry.second);
      return true;
    });
  }
  erase_waiting(gone);
}

void Window::drop_waiting() {
  for (const Traffic each : {Traffic::live, Traffic::replay, Traffic::again}) drop_waiting(each);
}

}  // namespace penstock::delivery
