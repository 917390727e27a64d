// Apps of a destination that failed too often and are tried again: what waits is used for it, and is not spent.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

using Bodies = std::vector<std::string>;

Result<Bodies> unchanged(std::string_view body) { return Bodies{std::string(body)}; }
Result<Bodies> broken(std::string_view) { return fail(ErrorKind::invalid, "app.lua:3: nil"); }

// Fails on some.
auto poisoned_by(std::vector<int> numbers) {
  return [numbers = std::move(numbers)](std::string_view body) {
    return std::ranges::any_of(numbers, [&](int n) { return body == body_of(n); }) ? broken(body) : unchanged(body);
  };
}

void try_again(Rig& rig, fakes::FakeApps& apps) {
  apps.try_again();
  rig.advance(Duration{1500});
}

// Held from the first event on.
void start_held(Rig& rig, fakes::FakeApps& apps) {
  apps.hold = true;
  rig.start(apps);
}

}  // namespace

TEST_CASE(
    "an app of a destination that fails again makes no dead letters on trial, and gets the same events when it is mended") {
  Rig rig;
  fakes::FakeApps apps;
  apps.make_of = broken;
  start_held(rig, apps);
  rig.add(25);
  for (int trial = 1; trial <= 3; ++trial) {
    try_again(rig, apps);
    CHECK(apps.hold);
    CHECK(apps.given_up == trial);
    CHECK(apps.seen.size() == 10 * static_cast<std::size_t>(trial));
    CHECK(apps.seen.back() == body_of(10));
    CHECK(rig.health() == Health::suspended);
  }
  CHECK(rig.dead().empty());
  CHECK(rig.runner->status().dead == 0);
  CHECK(rig.runner->status().lag_events == 25);
  apps.make_of = unchanged;
  try_again(rig, apps);
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.crm.delivered() == bodies(1, 25));
  CHECK(rig.dead().empty());
  CHECK(rig.everything_settled());
}

TEST_CASE("while apps are tried again, the destination says which one failed and on what") {
  Rig rig;
  fakes::FakeApps apps;
  std::vector<std::string> reasons;
  apps.make_of = [&](std::string_view body) {
    rig.clock.advance(Duration{10});  // a slice of work for each
    reasons.push_back(rig.runner->status().condition.reason);
    return broken(body);
  };
  start_held(rig, apps);
  rig.add(25);
  try_again(rig, apps);
  REQUIRE(reasons.size() > 1);
  CHECK(reasons.back() == "its apps are tried again with what waits: app mine failed on 11 of its last 11 events");
}

TEST_CASE("one poisonous event is a dead letter once the app does well with those behind it") {
  Rig rig;
  fakes::FakeApps apps;
  apps.make_of = poisoned_by({1});
  start_held(rig, apps);
  rig.add(1);
  try_again(rig, apps);
  CHECK(apps.hold);
  CHECK_MESSAGE(rig.dead().empty(), "by itself it looks as if the app were broken");
  rig.add(12);
  try_again(rig, apps);
  CHECK(rig.dead_bodies() == Bodies{body_of(1)});
  CHECK(rig.crm.delivered() == bodies(2, 13));
  CHECK_FALSE(apps.trial);
}

TEST_CASE("too few events for a verdict are delivered, and each that comes is tried before it counts") {
  Rig rig;
  fakes::FakeApps apps;
  start_held(rig, apps);
  rig.add(3);
  try_again(rig, apps);
  CHECK(rig.crm.delivered() == bodies(1, 3));
  CHECK(apps.trial);
  apps.make_of = broken;
  rig.add(3);
  rig.pass_within();
  CHECK_MESSAGE(rig.dead().size() == 3, "three of six: no verdict against it");
  rig.add(1);
  rig.advance(Duration{1500});
  CHECK(apps.hold);
  CHECK(rig.dead().size() == 3);
  CHECK(rig.runner->status().lag_events == 1);
  apps.make_of = unchanged;
  rig.add(10);
  try_again(rig, apps);
  CHECK(rig.crm.delivered().size() == 14);
  CHECK_FALSE(apps.trial);
  CHECK(rig.everything_settled());
}

TEST_CASE("with nothing live that waits, a replay and letters that are sent again are what an app is tried with") {
  Rig rig;
  fakes::FakeApps apps;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start(apps);
  rig.add(12);
  rig.pass_within();
  REQUIRE(rig.dead().size() == 12);
  rig.crm.deliver_everything();
  apps.make_of = broken;
  apps.hold = true;
  const auto attempts = rig.dead()[0].attempts;
  SUBCASE("letters") {
    REQUIRE(rig.store->want_again(dead::Filter{}));
    rig.runner->send_again();
  }
  SUBCASE("a replay") {
    ReplayOrder order;
    order.next = rig.log.begin(LogName::events);
    order.to = rig.log.end(LogName::events);
    order.total = order.left();
    REQUIRE(rig.store->save_replay("crm", order, Sync::yes));
    rig.runner->replay(order, {});
  }
  rig.executor.run_ready();
  const auto seen = apps.seen.size();
  try_again(rig, apps);
  CHECK(apps.hold);
  CHECK(apps.seen.size() == seen + 10);
  CHECK(rig.dead()[0].attempts == attempts);
  apps.make_of = unchanged;
  try_again(rig, apps);
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 12));
  CHECK_FALSE(rig.runner->status().replay_left);
}

TEST_CASE("letters that are discarded while apps are held are neither tried nor sent") {
  Rig rig;
  fakes::FakeApps apps;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start(apps);
  rig.add(12);
  rig.pass_within();
  rig.crm.deliver_everything();
  apps.make_of = broken;
  apps.hold = true;
  REQUIRE(rig.store->want_again(dead::Filter{}) == 12);
  rig.runner->send_again();
  try_again(rig, apps);
  CHECK(apps.hold);
  std::vector<std::string> ids;
  const auto letters = rig.store->dead_letters().list({}, {}).value();
  for (const auto& listed : letters) ids.push_back(listed.id);
  REQUIRE(ids.size() == 12);
  REQUIRE(rig.store->discard(ids));
  rig.runner->letters_discarded();
  const auto seen = apps.seen.size();
  apps.make_of = unchanged;
  rig.add(4);
  try_again(rig, apps);
  CHECK(Bodies(apps.seen.begin() + static_cast<std::ptrdiff_t>(seen),
               apps.seen.begin() + static_cast<std::ptrdiff_t>(seen) + 4) == bodies(13, 16));
  CHECK(rig.crm.delivered() == bodies(13, 16));
  CHECK(rig.dead().empty());
  CHECK(rig.everything_settled());
}

TEST_CASE("a stop, and a log that cannot be read, in the middle of a trial lose nothing") {
  Rig rig;
  fakes::FakeApps apps;
  start_held(rig, apps);
  rig.add(25);
  rig.log.fail_next_read({ErrorKind::unavailable, "no such luck"}, 3);
  try_again(rig, apps);
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered() == bodies(1, 25));
  CHECK(rig.everything_settled());
}

TEST_CASE("on trial apps see the time of each event") {
  Rig rig;
  fakes::FakeApps apps;
  start_held(rig, apps);
  for (int i = 0; i < 12; ++i) {
    rig.add(1);
    rig.clock.advance(Duration{1});
  }
  try_again(rig, apps);
  REQUIRE(apps.times.size() == 22);
  CHECK(std::vector(apps.times.begin(), apps.times.begin() + 10) ==
        std::vector(apps.times.begin() + 10, apps.times.begin() + 20));
  CHECK(apps.times[0] != apps.times[1]);
}

}  // namespace penstock::delivery
