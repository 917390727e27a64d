#pragma once
// The shipments of one destination that are not settled: ready to go, in flight, or waiting for another try. What is ready
// goes in reading order, so what came back after an outage goes before what is newer; of four in a row one is a replay's or the
// retry lane's, if there is any, so that they come to an end beside a backlog that does not. Lives on one strand.
//
// With `Order::key` a parcel goes only when nothing else of its key lane is in flight, waits, or is ready before it. A
// shipment of which a part may go is parted, so what waits for another try holds up nobody but its own lanes.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "pipeline/delivery/settings.h"
#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

class Window {
 public:
  using Ticket = std::uint64_t;

  struct Flight {
    Shipment shipment;
    SteadyTime submitted_at;
  };

  explicit Window(Order order = Order::none) : order_(order) {}

  void add(Shipment shipment);
  void add_later(Shipment shipment, SteadyTime when);
  // Makes ready what has waited long enough.
  void promote(SteadyTime now);

  // How many of the ready ones may go now, all of it or a part; and of these, how many have been in flight before.
  std::size_t sendable() const { return count_sendable().all; }
  struct Count {
    std::size_t all = 0;
    std::size_t tried = 0;
  };
  Count count_sendable() const;
  // How many of the ready ones are a single event that has been in flight before: halving has left it alone.
  std::size_t alone() const { return ready_alone_; }
  // Moves the sendable one whose turn it is into flight and gives its ticket with the batch to submit. There must be a sendable one.
  // `another`: if there are others, the one of them whose last flight is the longest ago, so that each has its turn; of one
  // that was tried before, the first half.
  std::pair<Ticket, Batch> take_off(SteadyTime now, bool another = false);
  // Nullopt: no such flight.
  std::optional<Flight> land(Ticket ticket);

  // What of the ready and the waiting ones is in these lanes and `wanted`: it is in the window no more.
  std::vector<Shipment> take_out(const KeyLanes& lanes, const std::function<bool(const Shipment&, const Parcel&)>& wanted);
  // The same of one kind, whatever its lanes.
  std::vector<Shipment> take_out(Traffic traffic, const std::function<bool(const Parcel&)>& wanted);

  // Forgets what is ready or waiting, all of it or that of one kind; what is in flight stays.
  void drop_waiting();
  void drop_waiting(Traffic traffic);

  std::size_t ready() const { return ready_.size(); }
  std::size_t in_flight() const { return in_flight_.size(); }
  // When the one that has been in flight longest was submitted. A look at each.
  std::optional<SteadyTime> longest_in_flight() const;
  std::size_t waiting() const { return waiting_.size(); }
  // When the first of those that wait is to be promoted.
  std::optional<SteadyTime> next_promotion() const {
    return waiting_.empty() ? std::nullopt : std::optional(waiting_.begin()->first);
  }

 private:
  using Touched = std::function<bool(const Shipment&)>;
  std::vector<Shipment> take_out_of(const Touched& touched,
                                    const std::function<bool(const Shipment&, const Parcel&)>& wanted);

  struct Ready {
    Shipment shipment;
    KeyLanes lanes;  // empty without an order
  };
  using ReadyOnes = std::map<std::pair<LowWater::Mark, std::uint32_t>, Ready>;

  // Calls `visit` with each sendable one, and with the lanes that are taken before it, until it says false.
  template <class Ones, class Visit>
  static void each_sendable(Ones& ready, KeyLanes taken, Visit visit);
  KeyLanes lanes_of(const Shipment& shipment) const;
  KeyLanes taken() const;
  Shipment extract(ReadyOnes::iterator it, const KeyLanes& taken);
  Shipment halve(Shipment whole);
  void joins_ready(const Shipment& shipment);
  void leaves_ready(const Shipment& shipment);

  const Order order_;
  ReadyOnes ready_;
  std::size_t ready_tried_ = 0;  // of these, how many have been in flight before
  std::size_t ready_alone_ = 0;  // of those, how many are a single event
  std::multimap<SteadyTime, Shipment> waiting_;
  std::unordered_map<Ticket, Flight> in_flight_;
  Ticket last_ticket_ = 0;
  int live_in_a_row_ = 0;
};

}  // namespace penstock::delivery
