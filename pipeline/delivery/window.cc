#include "pipeline/delivery/window.h"

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

std::pair<Window::Ticket, Batch> Window::take_off(SteadyTime now) {
  CHECK(!ready_.empty());
  auto first = ready_.extract(ready_.begin());
  Batch batch = first.mapped().batch();
  in_flight_.emplace(++last_ticket_, Flight{std::move(first.mapped()), now});
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
