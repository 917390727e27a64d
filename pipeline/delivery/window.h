#pragma once
// The shipments of one destination that are not settled: ready to go, in flight, or waiting for another try. What is ready
// goes in reading order, so what came back after an outage goes before what is newer; of four in a row one is a replay's or the
// retry lane's, if there is any, so that they come to an end beside a backlog that does not. What is set aside (set_aside.h)
// takes turns with the others, and half of the places in flight at most; of one place every eighth turn. Lives on one strand.
//
// With `Order::key` a parcel goes only when nothing else of its key lane is in flight, waits, or is ready before it. A
// shipment of which a part may go is parted, so what waits for another try holds up nobody but its own lanes. What is behind it in
// these is set aside with it: of a lane all that is set aside goes before all that is not.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "pipeline/delivery/lane_counts.h"
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

  // Which of the sendable ones goes.
  enum class Turn : std::uint8_t {
    usual,
    head,  // the one that has waited longest; not one that is set aside, if there are others
    another,  // if there are others, the one of them whose last flight is the longest ago, so that each has its turn; of one that
    // was tried before, the first half
  };

  // `places`: how many there are in flight at most.
  explicit Window(Order order = Order::none, int places = 4) : order_(order), places_(places) {}

  void add(Shipment shipment);
  // It is set aside until then, and beyond.
  void add_later(Shipment shipment, SteadyTime when);
  // Makes ready what has waited long enough.
  void promote(SteadyTime now);

  // Whether one of the ready ones may go now, or a part of it.
  bool sendable() const;
  // How many of the ready ones that are not set aside may go now, all of it or a part; and of these, how many have been in flight
  // before.
  struct Count {
    std::size_t all = 0;
    std::size_t tried = 0;
  };
  Count count_sendable() const;
  // How many of the ready ones that are not set aside are a single event that has been in flight before: halving has left it alone.
  std::size_t alone() const { return ready_alone_; }
  // Moves a sendable one into flight and gives its ticket with the batch to submit. There must be a sendable one.
  std::pair<Ticket, Batch> take_off(SteadyTime now, Turn turn = Turn::usual);
  // Nullopt: no such flight.
  std::optional<Flight> land(Ticket ticket);

  // What of the ready and the waiting ones is in these lanes and `wanted`: it is in the window no more.
  std::vector<Shipment> take_out(const KeyLanes& lanes, const std::function<bool(const Shipment&, const Parcel&)>& wanted);
  // The same of one kind, whatever its lanes.
  std::vector<Shipment> take_out(Traffic traffic, const std::function<bool(const Parcel&)>& wanted);

  // Forgets what is ready or waiting, all of it or that of one kind; what is in flight stays.
  void drop_waiting();
  void drop_waiting(Traffic traffic);

  // What is set aside, in flight or not.
  struct Load {
    std::size_t marks = 0;
    std::size_t shipments = 0;
    std::size_t failing = 0;  // of these, how many do not only stand behind another one
    std::size_t events = 0;
    std::size_t bytes = 0;
  };
  Load aside(Traffic traffic) const { return aside_load_[static_cast<std::size_t>(traffic)]; }
  Load aside() const;
  // Nothing else is ready or in flight.
  bool only_aside() const { return ready_.empty() && static_cast<std::size_t>(aside_in_flight_) == in_flight_.size(); }

  // Those that are not set aside.
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
  struct Ready {
    Shipment shipment;
    KeyLanes lanes;  // empty without an order
  };
  using ReadyOnes = std::map<std::pair<LowWater::Mark, std::uint32_t>, Ready>;
  // A sendable one, and the lanes that are taken before it.
  struct Choice {
    ReadyOnes* of;
    ReadyOnes::iterator it;
    KeyLanes taken;
  };

  // Calls `visit` with each sendable one, and with the lanes that are taken before it, until it says false.
  template <class Ones, class Visit>
  static void each_sendable(Ones& ready, KeyLanes taken, Visit visit);
  template <class Wanted>
  static std::optional<Choice> first_sendable(ReadyOnes& ready, const KeyLanes& taken, Wanted wanted);

  KeyLanes lanes_of(const Shipment& shipment) const;
  KeyLanes taken_for_ready() const { return lanes_in_flight_ | aside_lanes_.any(); }
  KeyLanes taken_for_aside() const { return lanes_in_flight_ | waiting_lanes_.any(); }

  bool aside_may_go() const { return aside_in_flight_ < std::max(1, places_ / 2); }
  Choice choose(Turn turn);
  std::optional<Choice> choose_other_traffic(const KeyLanes& for_aside, const KeyLanes& for_ready, bool asides_turn);
  static Choice longest_ago(const Choice& head, const KeyLanes& taken);
  Shipment extract(const Choice& choice);
  Shipment halve(Shipment whole);
  // The parcels in these lanes, taken out of it.
  static Shipment part_in(const KeyLanes& lanes, Shipment& whole);

  // What is not in flight is counted as it comes and goes.
  void put(Shipment shipment);
  void forget(const Ready& one);
  void count_tried(const Shipment& shipment, int by);
  void pull_aside(const KeyLanes& lanes);
  void count_aside(const Shipment& shipment, const KeyLanes& lanes);
  void uncount_aside(const Shipment& shipment, const KeyLanes& lanes);
  template <class Gone>
  void erase_waiting(Gone gone);

  using Touched = std::function<bool(const Shipment&)>;
  std::vector<Shipment> take_out_of(const Touched& touched,
                                    const std::function<bool(const Shipment&, const Parcel&)>& wanted);

  const Order order_;
  const int places_;
  ReadyOnes ready_;
  ReadyOnes aside_;
  std::multimap<SteadyTime, Ready> waiting_;  // all of them set aside
  std::unordered_map<Ticket, Flight> in_flight_;
  KeyLanes lanes_in_flight_;
  std::size_t ready_tried_ = 0;  // of `ready_`, how many have been in flight before
  std::size_t ready_alone_ = 0;  // of those, how many are a single event
  std::array<Load, 3> aside_load_{};  // by traffic
  std::unordered_map<LowWater::Mark, std::size_t> aside_marks_;  // how many shipments each has set aside
  LaneCounts aside_lanes_;  // of all that is set aside
  LaneCounts failing_lanes_;  // of those that are failing
  LaneCounts waiting_lanes_;
  int aside_in_flight_ = 0;
  int turns_since_aside_ = 0;
  Ticket last_ticket_ = 0;
  int live_in_a_row_ = 0;
};

}  // namespace penstock::delivery
