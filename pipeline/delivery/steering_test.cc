// What holds a destination back: poisonous events against outages, rates, pauses, suspensions.
#include <doctest/doctest.h>

#include "pipeline/delivery/rejections.h"
#include "pipeline/delivery/runner_rig.h"
#include "pipeline/delivery/suspicion.h"
#include "pipeline/delivery/token_bucket.h"

namespace penstock::delivery {
namespace {

constexpr SteadyTime kNow{std::chrono::hours(1)};

// Cannot take whatever has one of these events in it, and says that it is down.
fakes::FakeDestination::Answer choke_on(std::vector<std::string> poison) {
  return [poison = std::move(poison)](const Batch& batch) {
    const bool chokes = std::ranges::any_of(poison, [&](const auto& body) { return contains(batch, body); });
    return Outcomes::all(chokes ? unavailable() : Outcome::delivered());
  };
}

}  // namespace

TEST_CASE("failures are a shipment's own fault when others are delivered between three of them") {
  using Fault = Suspicion::Fault;
  Suspicion suspicion;
  CHECK(suspicion.failed(0) == Fault::unclear);
  for (int i = 0; i < 100; ++i) CHECK(suspicion.failed(0) == Fault::unclear);  // an outage, however long
  CHECK(suspicion.failed(5) == Fault::aside);
  CHECK(suspicion.failed(5) == Fault::unclear);
  CHECK(suspicion.failed(6) == Fault::own);
  CHECK(suspicion.failed(6) == Fault::unclear);  // and now nothing is delivered any more
  CHECK(suspicion.failed(7) == Fault::own);
}

TEST_CASE("what fails in an answer that delivers others failed beside these") {
  using Fault = Suspicion::Fault;
  Suspicion suspicion;
  CHECK(suspicion.failed(0, 3) == Fault::aside);
  CHECK(suspicion.failed(3) == Fault::unclear);
  CHECK(suspicion.failed(4) == Fault::aside);
  CHECK(suspicion.failed(4, 1) == Fault::own);
}

TEST_CASE("a token bucket keeps the average, saves up a second, and lends") {
  TokenBucket none;
  none.take(1'000'000, kNow);
  CHECK(none.ready_at(kNow) == kNow);

  TokenBucket bucket(100);
  CHECK(bucket.ready_at(kNow) == kNow);
  bucket.take(100, kNow);
  CHECK(bucket.ready_at(kNow) == kNow);
  bucket.take(50, kNow);
  CHECK(bucket.ready_at(kNow) == kNow + Duration{500});
  CHECK(bucket.ready_at(kNow + Duration{200}) == kNow + Duration{500});
  const auto much_later = kNow + std::chrono::hours(1);
  CHECK(bucket.ready_at(much_later) == much_later);
  bucket.take(300, much_later);
  CHECK(bucket.ready_at(much_later) == much_later + Duration{2000});
}

TEST_CASE("too many rejections are a share of enough events, of late") {
  Rejections rejections({.share = 0.5, .events = 10, .within = Duration{1000}, .retry = Duration{1000}});
  rejections.count(0, 9, kNow);
  CHECK_FALSE(rejections.too_many());
  rejections.count(10, 1, kNow);
  CHECK_FALSE(rejections.too_many());
  rejections.count(0, 1, kNow + Duration{999});
  CHECK(rejections.too_many());
  rejections.count(1, 0, kNow + Duration{1500});
  CHECK_FALSE(rejections.too_many());  // eleven of twenty-two
  rejections.count(0, 10, kNow + Duration{3600});
  CHECK(rejections.seen() == 10);
}

TEST_CASE("one event that makes the receiver fail for ever is one dead letter, and everything else goes on") {
  Rig rig;
  rig.settings.batch = {.events = 10, .bytes = 1_MiB, .within = Duration{100}};
  rig.crm.answer_with(choke_on({body_of(37)}));
  rig.start();
  // A stream: something new every tenth of a second.
  for (int i = 0; i < 6000 && rig.dead().empty(); ++i) {
    rig.add(10);
    rig.advance(Duration{100});
  }
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  REQUIRE(rig.dead().size() == 1);
  CHECK(rig.dead_bodies() == std::vector{body_of(37)});
  CHECK(rig.dead()[0].reason.starts_with("gave up after "));
  CHECK(rig.dead()[0].code == "http_503");
  auto expected = bodies(1, rig.added);
  std::erase(expected, body_of(37));
  auto delivered = rig.crm.delivered();
  std::ranges::sort(delivered);
  std::ranges::sort(expected);
  CHECK(delivered == expected);
  CHECK(rig.everything_settled());
  CHECK(rig.crm.violations().empty());
}

TEST_CASE(
    "poisonous events that fill the window, each alone in its write, become dead letters, and everything else goes on") {
  Rig rig;
  SUBCASE("one write at a time") { rig.settings.in_flight_max = 1; }
  SUBCASE("four writes at a time") { rig.settings.in_flight_max = 4; }
  rig.settings.batch = {.events = 1, .bytes = 1_MiB, .within = Duration{100}};
  const auto poison = bodies(1, 4);
  rig.crm.answer_with(choke_on(poison));
  rig.start();
  for (int i = 0; i < 6000 && rig.dead().size() < poison.size(); ++i) {
    rig.add(1);
    rig.advance(Duration{100});
  }
  rig.advance(Duration{60'000});
  CHECK(rig.dead_bodies() == poison);
  CHECK(rig.everything_settled());
  CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added) - poison.size());
}

TEST_CASE("an hour in which everything fails makes no dead letter, and afterwards everything is delivered") {
  Rig rig;
  rig.settings.batch = {.events = 10, .bytes = 1_MiB, .within = Duration{100}};
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  rig.start();
  for (int minute = 0; minute < 60; ++minute) {
    rig.add(20);
    rig.advance(Duration{60'000});
  }
  CHECK(rig.health() == Health::unavailable);
  CHECK(rig.crm.delivered().empty());
  rig.crm.deliver_everything();
  rig.advance(Duration{120'000});
  CHECK(rig.crm.delivered().size() == static_cast<std::size_t>(rig.added));
  CHECK(rig.dead().empty());
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("a rate is kept, told, and can be changed while it runs") {
  Rig rig;
  rig.settings.rate.events = 100;
  rig.settings.batch.within = Duration{10};
  rig.start();
  rig.add(1000);
  rig.advance(Duration{1});
  CHECK(rig.crm.delivered().size() <= 300);
  CHECK(rig.runner->status().condition == Condition{Health::limited, "100 events/s"});
  for (int i = 0; i < 40; ++i) rig.advance(Duration{100});
  CHECK(rig.crm.delivered().size() >= 400);
  CHECK(rig.crm.delivered().size() <= 700);
  rig.runner->set_rate(RateSettings{});
  rig.executor.run_ready();
  rig.advance(Duration{100});
  CHECK(rig.crm.delivered().size() == 1000);
  CHECK(rig.health() == Health::healthy);
  rig.runner->set_rate(std::nullopt);
  rig.executor.run_ready();
  rig.add(1000);
  rig.advance(Duration{11});
  CHECK(rig.crm.delivered().size() < 1400);
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("a paused destination gets nothing until it is resumed, and loses nothing") {
  Rig rig;
  rig.start();
  rig.add(5);
  rig.pass_within();
  rig.runner->pause("their migration");
  rig.executor.run_ready();
  rig.add(5);
  rig.advance(Duration{3'600'000});
  CHECK(rig.crm.delivered() == bodies(1, 5));
  CHECK(rig.runner->status().condition == Condition{Health::paused, "their migration"});
  CHECK(rig.runner->status().lag_events == 5);
  rig.runner->resume();
  rig.executor.run_ready();
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 10));
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("what a pause holds back takes no turns until it is resumed") {
  Rig rig;
  rig.settings.batch = {.events = 1, .bytes = 1_MiB, .within = Duration{100}};
  rig.start();
  SUBCASE("an outage that would be over") {
    rig.crm.fail_next(unavailable());
    rig.add(1);
    CHECK(rig.health() == Health::unavailable);
  }
  SUBCASE("a replay that may go on") {
    rig.add(20);
    delivery::ReplayOrder order{
        .next = Offsets(4, 0), .to = rig.log.end(LogName::events), .where = {}, .rate = 2, .total = 20};
    rig.runner->replay(order, {});
    rig.executor.run_ready();
  }
  rig.runner->pause("lunch");
  rig.executor.run_ready();
  std::size_t turns = 0;
  for (int second = 0; second < 60; ++second) {
    rig.clock.advance(Duration{1000});
    turns += rig.executor.run_at_most(100);
  }
  CHECK(turns < 600);
  rig.runner->resume();
  rig.advance(Duration{60'000});
  CHECK(rig.everything_settled());
  CHECK(rig.runner->status().replay_left == std::nullopt);
}

TEST_CASE("a poisonous event in every batch there is does not look like an outage for ever") {
  Rig rig;
  rig.settings.batch.events = 10;
  std::vector<std::string> poison;
  for (int n = 5; n <= 200; n += 10) poison.push_back(body_of(n));
  rig.crm.answer_with(choke_on(poison));
  rig.start();
  rig.add(200);
  for (int minutes = 0; minutes < 2000; ++minutes) rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().size() == 180);
  // The last ones are proven by what comes later.
  for (int later = 0; later < 40 && !rig.everything_settled(); ++later) {
    rig.add(1);
    for (int minutes = 0; minutes < 20; ++minutes) rig.advance(Duration{60'000});
  }
  CHECK(rig.everything_settled());
  auto dead = rig.dead_bodies();
  std::ranges::sort(dead);
  std::ranges::sort(poison);
  CHECK(dead == poison);
}

TEST_CASE("dead letters and cursor are stored while all threads that destinations may block are blocked") {
  Rig rig;
  fakes::ManualExecutor connecting{rig.clock};
  rig.blocking = &connecting;
  rig.settings.batch.within = Duration{10};
  rig.crm.answer_with(refuse(body_of(2)));
  rig.start();
  connecting.run_ready();  // and never again
  rig.executor.run_ready();
  rig.add(4);
  rig.advance(Duration{2000});
  CHECK(rig.dead_bodies() == std::vector{body_of(2)});
  CHECK(rig.everything_settled());
  CHECK(rig.store->cursor("crm").value()->next == rig.log.end(LogName::events));
}

TEST_CASE("a destination that rejects nearly everything is suspended, and tried again after a while") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.settings.suspend = {.share = 0.5, .events = 40, .within = Duration{60'000}, .retry = Duration{300'000}};
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start();
  for (int i = 0; i < 50; ++i) {
    rig.add(10);
    rig.pass_within();
  }
  CHECK(rig.health() == Health::suspended);
  CHECK(rig.runner->status().condition.reason.find("events were rejected; the last one: it said http_400") !=
        std::string::npos);
  const auto dead = rig.dead().size();
  CHECK(dead >= 40);
  CHECK(dead < 150);
  rig.crm.deliver_everything();
  rig.advance(Duration{200'000});
  CHECK(rig.crm.delivered().empty());
  rig.advance(Duration{110'000});
  rig.pass_within();
  CHECK(rig.crm.delivered().size() == 500 - dead);
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("resume ends a suspension at once") {
  Rig rig;
  rig.settings.suspend.events = 10;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(rejected()); });
  rig.start();
  rig.add(20);
  rig.pass_within();
  REQUIRE(rig.health() == Health::suspended);
  const auto dead = rig.dead().size();
  rig.crm.deliver_everything();
  rig.add(20);
  CHECK(rig.crm.delivered().empty());
  rig.runner->resume();
  rig.executor.run_ready();
  rig.pass_within();
  CHECK(rig.crm.delivered().size() == 40 - dead);
}

TEST_CASE("resume tries at once what asked for an hour of patience") {
  Rig rig;
  rig.crm.answer_with(
      [](const Batch&) { return Outcomes::all(outcome(Outcome::Kind::unavailable, "http_429", Duration{3'600'000})); });
  rig.start();
  rig.add(3);
  rig.pass_within();
  REQUIRE(rig.health() != Health::healthy);
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().empty());
  rig.runner->resume();
  rig.executor.run_ready();
  CHECK(rig.crm.delivered() == bodies(1, 3));
}

}  // namespace penstock::delivery
