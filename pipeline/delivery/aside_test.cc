// What fails beside others that are delivered: it waits by itself, and holds up nobody.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"
#include "pipeline/delivery/set_aside.h"
#include "pipeline/delivery/window.h"

namespace penstock::delivery {
namespace {

constexpr SteadyTime kNow{std::chrono::hours(1)};

int number_of(const EventView& event) { return std::stoi(std::string(event.body.substr(event.body.find("\"n\":") + 4))); }

// A receiver with a topic for each event, of which one in so many is missing, up to the last. It says so event by event.
fakes::FakeDestination::Answer one_topic_missing(int one_in, int last) {
  return [=](const Batch& batch) {
    Outcomes each;
    for (const auto& event : batch.events) {
      const int number = number_of(event);
      each.each.push_back(number % one_in == 0 && number <= last ? unavailable() : Outcome::delivered());
    }
    return each;
  };
}

std::vector<std::string> every(int nth, int last) {
  std::vector<std::string> found;
  for (int n = nth; n <= last; n += nth) found.push_back(body_of(n));
  return found;
}

Shipment failed(Shipment shipment) {
  shipment.pauses = 1;
  return shipment;
}

// The last ones are proven by what comes later.
void a_slow_stream_until_all_is_settled(Rig& rig) {
  for (int i = 0; i < 2000 && !rig.everything_settled(); ++i) {
    rig.add(1);
    rig.advance(Duration{10'000});
  }
  CHECK(rig.everything_settled());
}

std::string numbers_of(Window& window, Window::Turn turn = Window::Turn::usual) {
  std::string text;
  for (const EventView& event : window.take_off(kNow, turn).second.events) text += std::string(event.body) + " ";
  return text;
}

Shipment shipment(LowWater::Mark mark, std::initializer_list<std::pair<std::uint16_t, std::string_view>> events) {
  Shipment made;
  made.mark = mark;
  for (const auto& [lane, body] : events) {
    Parcel parcel;
    parcel.place = static_cast<std::uint32_t>(made.parcels.size());
    parcel.key_lane = lane;
    parcel.view.body = body;
    made.parcels.push_back(parcel);
  }
  return made;
}

}  // namespace

TEST_CASE("a copy of its own keeps no chunk, and shrinks with the shipment") {
  auto chunk = std::make_shared<std::string>("abcdefgh");
  const std::weak_ptr<std::string> alive = chunk;
  Shipment whole = shipment(1, {{0, std::string_view(*chunk).substr(0, 4)}, {0, std::string_view(*chunk).substr(4)}});
  whole.parcels[1].view.facts.distinct_id = std::string_view(*chunk).substr(1, 2);
  whole.keeps.push_back(std::move(chunk));
  set_aside(whole);
  CHECK(alive.expired());
  CHECK(whole.parcels[0].view.body == "abcd");
  CHECK(whole.parcels[1].view.body == "efgh");
  CHECK(whole.parcels[1].view.facts.distinct_id == "bc");
  CHECK(whole.aside_bytes == bytes_of(whole));
  const auto* copied = whole.parcels[0].view.body.data();
  set_aside(whole);
  CHECK(whole.parcels[0].view.body.data() == copied);
}

TEST_CASE("what is set aside takes turns with the others, and half of the places at most") {
  Window window(Order::none, 4);
  for (const LowWater::Mark mark : {1U, 2U, 3U}) window.add_later(shipment(mark, {{0, "aside"}}), kNow);
  for (const LowWater::Mark mark : {4U, 5U, 6U}) window.add(shipment(mark, {{0, "fresh"}}));
  CHECK(window.aside().shipments == 3);
  CHECK(window.waiting() == 3);
  CHECK(window.ready() == 3);
  window.promote(kNow);
  CHECK(window.waiting() == 0);
  CHECK(window.ready() == 3);
  std::string order;
  for (int i = 0; i < 5; ++i) order += numbers_of(window);
  CHECK(order == "fresh aside fresh aside fresh ");
  CHECK_FALSE(window.sendable());  // the other places are for others
  window.land(2);
  CHECK(numbers_of(window) == "aside ");
  for (const Window::Ticket ticket : {1U, 3U, 4U, 5U, 6U}) window.land(ticket);
  CHECK(window.aside().shipments == 0);
  CHECK(window.aside().events == 0);
  CHECK(window.aside().bytes == 0);
}

TEST_CASE("of one place what is set aside gets every eighth turn, or what nobody else wants") {
  Window window(Order::none, 1);
  for (const LowWater::Mark mark : {1U, 2U}) window.add_later(shipment(mark, {{0, "aside"}}), kNow);
  window.promote(kNow);
  for (LowWater::Mark mark = 3; mark <= 10; ++mark) window.add(shipment(mark, {{0, "fresh"}}));
  std::string order;
  for (Window::Ticket ticket = 1; window.sendable(); ++ticket) {
    order += numbers_of(window);
    window.land(ticket);
  }
  CHECK(order == "fresh fresh fresh fresh fresh fresh fresh aside fresh aside ");
}

TEST_CASE("a probe is not what was set aside, if there is anything else") {
  Window window;
  window.add_later(shipment(1, {{0, "aside"}}), kNow);
  window.promote(kNow);
  CHECK(window.only_aside());
  window.add(shipment(2, {{0, "fresh"}}));
  CHECK_FALSE(window.only_aside());
  CHECK(numbers_of(window, Window::Turn::head) == "fresh ");
  CHECK_FALSE(window.only_aside());
  CHECK(numbers_of(window, Window::Turn::head) == "aside ");
  window.land(1);
  CHECK(window.only_aside());
}

TEST_CASE("with an order what is behind something set aside is set aside with it, and goes after it") {
  Window window(Order::key);
  window.add(shipment(2, {{7, "2a"}, {8, "2b"}}));
  window.add_later(failed(shipment(1, {{7, "1"}})), kNow);
  CHECK(window.aside().events == 2);
  CHECK(window.ready() == 1);
  window.add(shipment(3, {{7, "3a"}, {9, "3b"}}));
  CHECK(window.aside().events == 3);
  CHECK(numbers_of(window) == "2b ");
  CHECK(numbers_of(window) == "3b ");
  CHECK_FALSE(window.sendable());
  window.promote(kNow);
  CHECK(numbers_of(window) == "1 ");
  CHECK_FALSE(window.sendable());
  window.land(3);
  CHECK(numbers_of(window) == "2a ");
  window.land(4);
  CHECK(numbers_of(window) == "3a ");
  window.land(5);
  CHECK(window.aside().shipments == 0);
  window.add(shipment(4, {{7, "4"}}));
  CHECK(window.ready() == 1);
}

TEST_CASE("events of a missing topic end as dead letters, and the others do not notice") {
  Rig rig;
  rig.settings.batch = {.events = 100, .bytes = 1_MiB, .within = Duration{100}};
  rig.crm.answer_with(one_topic_missing(50, 60'000));
  rig.start();
  for (int second = 0; second < 60; ++second) {
    rig.add(1000);
    rig.advance(Duration{1000});
    CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added - rig.added / 50));
    CHECK(rig.health() == Health::healthy);
  }
  CHECK(rig.runner->status().condition.reason == "some events fail while others are delivered: it said http_503");
  a_slow_stream_until_all_is_settled(rig);
  auto dead = rig.dead_bodies();
  auto failing = every(50, 60'000);
  std::ranges::sort(dead);
  std::ranges::sort(failing);
  CHECK(dead == failing);
  CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added) - failing.size());
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("with an order, ids whose events fail hold up no other ids") {
  Rig rig;
  rig.settings.batch = {.events = 100, .bytes = 1_MiB, .within = Duration{100}};
  rig.settings.order = Order::key;
  rig.distinct_ids = 500;
  const auto fails = [](const EventView& event) {
    return event.facts.distinct_id == "u7" || event.facts.distinct_id == "u8";
  };
  SUBCASE("each by itself") {
    rig.crm.answer_with([&](const Batch& batch) {
      Outcomes each;
      for (const auto& event : batch.events) each.each.push_back(fails(event) ? unavailable() : Outcome::delivered());
      return each;
    });
  }
  SUBCASE("and with it the whole write") {
    rig.crm.answer_with([&](const Batch& batch) {
      return Outcomes::all(std::ranges::any_of(batch.events, fails) ? unavailable() : Outcome::delivered());
    });
  }
  rig.start();
  for (int second = 0; second < 120; ++second) {
    rig.add(1000);
    rig.advance(Duration{1000});
  }
  // Of 500 ids two; what shares a lane with them, and what was in a write with the first of them, has waited.
  CHECK(rig.crm.delivered().size() > static_cast<std::size_t>(rig.added) * 97 / 100);
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("more fails than may be set aside: reading waits, and goes on when these are dead letters") {
  Rig rig;
  rig.settings.batch = {.events = 1000, .bytes = 1_MiB, .within = Duration{100}};
  rig.crm.answer_with(one_topic_missing(2, 30'000));
  rig.start();
  for (int i = 0; i < 30; ++i) rig.add(1000);
  rig.advance(Duration{1000});
  CHECK(rig.crm.delivered().size() < 15'000);
  a_slow_stream_until_all_is_settled(rig);
  CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added) - 15'000);
  CHECK(rig.store->dead_letters().count({}).value() == 15'000);
}

TEST_CASE("an outage that begins within a write makes no dead letter") {
  Rig rig;
  rig.settings.batch = {.events = 10, .bytes = 1_MiB, .within = Duration{100}};
  rig.start();
  rig.crm.cork();
  for (int i = 0; i < 8; ++i) rig.add(10);
  rig.advance(Duration{100});
  // Of each that is in flight some arrive.
  bool up = true;
  rig.crm.answer_with([&](const Batch& batch) {
    Outcomes each{std::vector<Outcome>(batch.events.size(), unavailable())};
    if (up) each.each[0] = Outcome::delivered();
    return each;
  });
  for (auto left = rig.crm.in_flight(); left > 0; --left) rig.crm.answer_one();
  up = false;
  rig.crm.uncork();
  for (int minute = 0; minute < 60; ++minute) {
    rig.add(20);
    rig.advance(Duration{60'000});
  }
  CHECK(rig.health() == Health::unavailable);
  CHECK(rig.dead().empty());
  rig.crm.deliver_everything();
  rig.advance(Duration{180'000});
  CHECK(rig.dead().empty());
  CHECK(rig.everything_settled());
  CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added));
}

TEST_CASE("an outage while only such events are left is told, makes no dead letter of them, and holds up nothing new") {
  Rig rig;
  rig.settings.batch = {.events = 10, .bytes = 1_MiB, .within = Duration{100}};
  rig.crm.answer_with(one_topic_missing(5, 100));
  rig.start();
  for (int i = 0; i < 10; ++i) {
    rig.add(10);
    rig.advance(Duration{100});
  }
  CHECK(rig.crm.delivered().size() == 80);
  const int connects = rig.crm.connects();
  SUBCASE("it ends") {
    rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
    rig.advance(std::chrono::hours(1));
    CHECK(rig.health() == Health::unavailable);
    CHECK(rig.crm.connects() > connects);
    CHECK(rig.dead().empty());
    rig.crm.deliver_everything();
    rig.advance(Duration{120'000});
    CHECK(rig.everything_settled());
    CHECK(rig.dead().empty());
    CHECK(rig.health() == Health::healthy);
  }
  SUBCASE("it was none, as the next events show") {
    rig.advance(std::chrono::hours(1));
    CHECK(rig.health() == Health::unavailable);
    CHECK(rig.dead().empty());
    rig.add(10);
    rig.advance(Duration{300});
    CHECK(rig.crm.delivered().size() >= 90);
    a_slow_stream_until_all_is_settled(rig);
    CHECK(rig.dead().size() == 20);
  }
}

TEST_CASE("failures of what is set aside are no outage while others are delivered, however seldom") {
  Rig rig;
  rig.settings.batch = {.events = 1, .bytes = 1_MiB, .within = Duration{10}};
  rig.settings.retry.attempts_max = 1000;
  rig.settings.retry.age_max = Duration{86'400'000};
  rig.settings.retry.wait_max = Duration{1000};
  rig.crm.answer_with([](const Batch& batch) {
    return Outcomes::all(number_of(batch.events.front()) <= 5 ? unavailable() : Outcome::delivered());
  });
  rig.start();
  rig.add(30);  // that the first five are at fault is seen by the others
  for (int i = 0; i < 60; ++i) rig.add(1), rig.advance(Duration{1000});
  REQUIRE(rig.crm.delivered().size() == 85);
  const int connects = rig.crm.connects();
  const auto submitted = rig.crm.submitted().size();
  for (int i = 0; i < 30; ++i) {
    rig.add(1);
    for (int tenths = 0; tenths < 200; ++tenths) {
      rig.advance(Duration{100});
      CHECK(rig.health() == Health::healthy);
    }
    CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(86 + i));
  }
  CHECK(rig.crm.submitted().size() > submitted + 1000);  // they were tried all the while
  CHECK(rig.crm.connects() == connects);
  CHECK(rig.dead().empty());
}

TEST_CASE("a replay of which much fails reads no more than may wait") {
  Rig rig;
  rig.settings.batch = {.events = 1000, .bytes = 1_MiB, .within = Duration{100}};
  rig.start();
  for (int i = 0; i < 60; ++i) rig.add(1000);
  rig.advance(Duration{1000});
  REQUIRE(rig.everything_settled());
  rig.crm.answer_with(one_topic_missing(2, 60'000));
  ReplayOrder order;
  order.next = Offsets(4, 0);
  order.to = rig.log.end(LogName::events);
  order.total = order.left();
  REQUIRE(rig.store->save_replay("crm", order, Sync::yes));
  rig.runner->replay(order, {});
  rig.advance(Duration{3000});
  CHECK(rig.runner->status().replay_left.value() > 30'000);
  rig.add(1);
  rig.advance(Duration{2000});
  CHECK(rig.crm.delivered().size() > 60'000);
  for (int i = 0; i < 2000 && rig.runner->status().replay_left; ++i) {
    rig.add(2);
    rig.advance(Duration{10'000});
  }
  CHECK_FALSE(rig.runner->status().replay_left);
  CHECK(rig.store->dead_letters().count({}).value() == 30'000);
}

TEST_CASE("what apps made is copied, too, with what it was made of") {
  auto chunk = std::make_shared<std::string>("logged");
  const std::weak_ptr<std::string> alive = chunk;
  auto made = std::make_shared<MadeEvents>();
  EventView logged;
  logged.body = *chunk;
  Shipment whole = shipment(1, {{0, "a"}, {0, "b"}});
  for (Parcel& parcel : whole.parcels) {
    parcel.view = made->keep(parcel.view);
    parcel.origin = &made->origin_of(logged);
  }
  whole.keeps = {std::move(chunk), made};
  made.reset();
  set_aside(whole);
  CHECK(alive.expired());
  CHECK(whole.parcels[0].view.body == "a");
  CHECK(whole.parcels[1].logged().body == "logged");
  CHECK(whole.parcels[0].origin == whole.parcels[1].origin);
}

TEST_CASE("events that choke the receiver, each alone in its write, leave half of two places to the others") {
  Rig rig;
  rig.settings.in_flight_max = 2;
  rig.settings.batch = {.events = 1, .bytes = 1_MiB, .within = Duration{10}};
  rig.crm.answer_with([](const Batch& batch) {
    return Outcomes::all(number_of(batch.events.front()) <= 3 ? unavailable() : Outcome::delivered());
  });
  rig.start();
  rig.add(3);
  a_slow_stream_until_all_is_settled(rig);
  auto dead = rig.dead_bodies();
  std::ranges::sort(dead);
  CHECK(dead == bodies(1, 3));
}

}  // namespace penstock::delivery
