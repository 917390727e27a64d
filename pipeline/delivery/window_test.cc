#include "pipeline/delivery/window.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pipeline/delivery/key_lanes.h"

namespace penstock::delivery {
namespace {

constexpr SteadyTime kNow{std::chrono::hours(1)};

// A shipment whose events are of these lanes; their bodies are "<mark>.<place>".
Shipment shipment(LowWater::Mark mark, std::initializer_list<std::uint16_t> lanes, std::uint32_t first_place = 0) {
  static std::deque<std::string> bodies;
  Shipment made;
  made.mark = mark;
  for (const auto lane : lanes) {
    Parcel parcel;
    parcel.place = first_place++;
    parcel.key_lane = lane;
    bodies.push_back(std::to_string(mark) + "." + std::to_string(parcel.place));
    parcel.view.body = bodies.back();
    made.parcels.push_back(parcel);
  }
  return made;
}

std::string flies(Window& window, bool another = false) {
  std::string text;
  for (const EventView& event : window.take_off(kNow, another ? Window::Turn::another : Window::Turn::usual).second.events)
    text += std::string(event.body) + " ";
  return text;
}

// The bodies that are to go, by lane.
class Unsettled {
 public:
  void add(const Shipment& shipment) {
    for (const Parcel& parcel : shipment.parcels) {
      lane_of_[std::string(parcel.view.body)] = parcel.key_lane;
      left_[parcel.key_lane].emplace_back(parcel.view.body);
    }
  }
  void erase(const Parcel& parcel) { std::erase(left_[parcel.key_lane], parcel.view.body); }
  // Of each of its lanes the batch has the first ones.
  void check(const Batch& batch) const {
    std::map<std::uint16_t, std::size_t> next;
    for (const EventView& event : batch.events) {
      const std::uint16_t lane = lane_of_.at(std::string(event.body));
      REQUIRE(event.body == left_.at(lane).at(next[lane]++));
    }
  }
  bool empty() const {
    return std::ranges::all_of(left_, [](const auto& of_lane) { return of_lane.second.empty(); });
  }

 private:
  std::map<std::string, std::uint16_t> lane_of_;
  std::map<std::uint16_t, std::vector<std::string>> left_;
};

// Answers give the events of one write different fates, as in DestinationLoop::follow().
void a_random_run(std::uint64_t seed) {
  INFO("seed ", seed, " (run it alone with PENSTOCK_SEED)");
  std::mt19937_64 random(seed);
  Window window(Order::key, static_cast<int>(1 + random() % 4));
  Unsettled unsettled;
  std::vector<Window::Ticket> flying;
  SteadyTime now = kNow;
  const std::uint64_t lanes = 1 + random() % 6;
  const auto read = [&](LowWater::Mark mark) {
    Shipment made = shipment(mark, {});
    const auto events = static_cast<std::uint32_t>(1 + random() % 12);
    for (std::uint32_t i = 0; i < events; ++i) {
      Shipment one = shipment(mark, {static_cast<std::uint16_t>(random() % lanes)}, i);
      made.parcels.push_back(one.parcels.front());
    }
    unsettled.add(made);
    window.add(std::move(made));
  };
  const auto land = [&](bool all_delivered) {
    const auto index = random() % flying.size();
    Shipment whole = window.land(flying[index])->shipment;
    flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(index));
    std::array<std::vector<Parcel>, 4> fates;  // two of them are ready again, two wait for a time
    for (const Parcel& parcel : whole.parcels) {
      if (all_delivered || random() % 4 == 0) unsettled.erase(parcel);
      else fates[random() % 4].push_back(parcel);
    }
    std::array<std::vector<Shipment>, 4> parts;
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (!fates[i].empty()) parts[i].push_back(part_of(whole, std::move(fates[i])));
    cut_apart(parts);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const SteadyTime until = now + Duration{random() % 1000};
      for (Shipment& piece : parts[i]) {
        if (i < 2) {
          window.add(std::move(piece));
        } else {
          ++piece.pauses;
          window.add_later(std::move(piece), until);
        }
      }
    }
  };
  LowWater::Mark mark = 0;
  for (int step = 0; step < 400 || !unsettled.empty(); ++step) {
    REQUIRE(step < 4000);
    const auto choice = random() % 4;
    if (choice == 0 && step < 400) read(++mark);
    if (choice == 1) window.promote(now += Duration{random() % 1000});
    if (choice == 2 && window.sendable()) {
      const auto turn = static_cast<Window::Turn>(random() % 3);
      const auto [ticket, batch] = window.take_off(now, turn);
      flying.push_back(ticket);
      unsettled.check(batch);
    }
    if (choice == 3 && !flying.empty()) land(step >= 400);
  }
}

}  // namespace

TEST_CASE("without an order whatever is ready goes, the oldest first") {
  Window window;
  window.add(shipment(2, {7}));
  window.add(shipment(1, {7, 8}));
  window.add(shipment(3, {7}));
  CHECK(window.count_sendable().all == 3);
  CHECK(flies(window, true) == "2.0 ");
  CHECK(flies(window) == "1.0 1.1 ");
  CHECK(flies(window) == "3.0 ");
}

TEST_CASE("what is sent again has its turn beside a backlog that does not end") {
  Window window;
  for (LowWater::Mark mark = 1; mark <= 9; ++mark) window.add(shipment(mark, {7}));
  window.add(shipment(kReplayMarks | 1, {7}));
  window.add(shipment(kAgainMarks | 1, {7}));
  std::vector<Traffic> order;
  while (window.sendable()) order.push_back(traffic_of(window.land(window.take_off(kNow).first)->shipment.mark));
  constexpr auto kLive = Traffic::live;
  CHECK(order ==
        std::vector{kLive, kLive, kLive, Traffic::replay, kLive, kLive, kLive, Traffic::again, kLive, kLive, kLive});
}

TEST_CASE("the other ones have their turns, the one first whose last flight is the longest ago") {
  Window window;
  for (const LowWater::Mark mark : {1U, 2U, 3U}) window.add(shipment(mark, {7}));
  const auto flies_and_comes_back = [&](bool another) {
    auto [ticket, batch] = window.take_off(kNow, another ? Window::Turn::another : Window::Turn::usual);
    window.add(window.land(ticket)->shipment);
    return std::string(batch.events.front().body);
  };
  CHECK(flies_and_comes_back(true) == "2.0");
  CHECK(flies_and_comes_back(true) == "3.0");
  CHECK(flies_and_comes_back(false) == "1.0");
  CHECK(flies_and_comes_back(true) == "2.0");
  CHECK(flies_and_comes_back(true) == "3.0");
  CHECK(window.count_sendable().tried == 3);
  window.add(shipment(4, {7}));
  CHECK(flies_and_comes_back(true) == "4.0");
  CHECK(window.count_sendable().tried == 4);
  window.drop_waiting(Traffic::live);
  CHECK(window.count_sendable().tried == 0);
}

TEST_CASE("with an order a lane has one write under way, and what shares none goes beside it") {
  Window window(Order::key);
  window.add(shipment(1, {7, 8}));
  window.add(shipment(2, {8, 9}));
  window.add(shipment(3, {9}));
  window.add(shipment(4, {10}));
  CHECK(window.count_sendable().all == 3);
  CHECK(flies(window) == "1.0 1.1 ");
  CHECK(flies(window) == "2.1 ");  // 8 is under way
  CHECK(flies(window) == "4.0 ");
  CHECK_FALSE(window.sendable());
  CHECK(window.ready() == 2);
  window.land(2);
  CHECK(flies(window) == "3.0 ");
  window.land(1);
  CHECK(flies(window) == "2.0 ");
  CHECK(window.ready() == 0);
}

TEST_CASE("with an order what waits for another try goes before what is newer of its lane") {
  Window window(Order::key);
  window.add(shipment(1, {7, 8}));
  flies(window);
  window.add(shipment(2, {7, 7, 8}));
  window.land(1);
  window.add_later(shipment(1, {7}), kNow + Duration{1000});
  CHECK(flies(window) == "2.2 ");
  CHECK_FALSE(window.sendable());
  window.promote(kNow + Duration{1000});
  CHECK(window.sendable());
  CHECK(flies(window) == "1.0 ");
  window.land(3);
  CHECK(flies(window) == "2.0 2.1 ");
}

TEST_CASE("the second one to go is one that shares no lane with the first") {
  Window window(Order::key);
  window.add(shipment(1, {7}));
  window.add(shipment(2, {7}));
  window.add(shipment(3, {8}));
  CHECK(flies(window, true) == "3.0 ");
  CHECK(flies(window, true) == "1.0 ");
}

TEST_CASE("with an order what goes is the first of its lanes, whatever becomes of the events of a write") {
  if (const char* given = std::getenv("PENSTOCK_SEED")) return a_random_run(std::strtoull(given, nullptr, 10));
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t i = 0; i < 40; ++i) a_random_run(first + i);
}

TEST_CASE("what is called off is of one kind") {
  Window window;
  window.add(shipment(1, {7}));
  window.add(shipment(kReplayMarks | 1, {7}));
  window.add_later(shipment(kReplayMarks | 2, {7}), kNow);
  window.add(shipment(kAgainMarks | 1, {7}));
  window.drop_waiting(Traffic::replay);
  CHECK(window.ready() == 2);
  CHECK(window.waiting() == 0);
}

}  // namespace penstock::delivery
