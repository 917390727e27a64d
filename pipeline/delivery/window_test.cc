#include "pipeline/delivery/window.h"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

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
