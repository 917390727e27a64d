#pragma once
// The shipments of one destination that are not settled: ready to go, in flight, or waiting for another try. What is ready
// goes in reading order, so what came back after an outage goes before what is newer. Lives on one strand.

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

class Window {
 public:
  using Ticket = std::uint64_t;

  struct Flight {
    Shipment shipment;
    SteadyTime submitted_at;
  };

  void add(Shipment shipment);
  void add_later(Shipment shipment, SteadyTime when);
  // Makes ready what has waited long enough.
  void promote(SteadyTime now);

  // The ready shipment that is to go next: the first, or the second if there is one. There must be a ready one.
  const Shipment& next(bool second = false) const;
  // Moves it into flight and gives its ticket with the batch to submit.
  std::pair<Ticket, Batch> take_off(SteadyTime now, bool second = false);
  // Nullopt: no such flight.
  std::optional<Flight> land(Ticket ticket);

  // Forgets what is ready or waiting; what is in flight stays.
  void drop_waiting();

  std::size_t ready() const { return ready_.size(); }
  std::size_t in_flight() const { return in_flight_.size(); }
  std::size_t waiting() const { return waiting_.size(); }
  // When the first of those that wait is to be promoted.
  std::optional<SteadyTime> next_promotion() const {
    return waiting_.empty() ? std::nullopt : std::optional(waiting_.begin()->first);
  }

 private:
  std::map<std::pair<LowWater::Mark, std::uint32_t>, Shipment> ready_;
  std::multimap<SteadyTime, Shipment> waiting_;
  std::unordered_map<Ticket, Flight> in_flight_;
  Ticket last_ticket_ = 0;
};

}  // namespace penstock::delivery
