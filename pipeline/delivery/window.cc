#include "pipeline/delivery/window.h"

#include <iterator>

#include "pipeline/base/check.h"

namespace penstock::delivery {

void Window::add(Shipment shipment) {
  const auto order = shipment.order();
  const bool added = ready_.emplace(order, std::move(shipment)).second;
  CHECK(added);
}

void Window::add_later(Shipment shipment, SteadyTime when) { waiting_.emplace(when, std::move(shipment)); }

void Window::promote(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    add(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
  }
}

const Shipment& Window::next(bool second) const {
  CHECK(!ready_.empty());
  return second && ready_.size() > 1 ? std::next(ready_.begin())->second : ready_.begin()->second;
}

std::pair<Window::Ticket, Batch> Window::take_off(SteadyTime now, bool second) {
  auto taken = ready_.extract(next(second).order());
  Batch batch = taken.mapped().batch();
  in_flight_.emplace(++last_ticket_, Flight{std::move(taken.mapped()), now});
  return {last_ticket_, std::move(batch)};
}

std::optional<Window::Flight> Window::land(Ticket ticket) {
  auto flight = in_flight_.extract(ticket);
  if (flight.empty()) return std::nullopt;
  return std::move(flight.mapped());
}

void Window::drop_waiting() {
  ready_.clear();
  waiting_.clear();
}

}  // namespace penstock::delivery
