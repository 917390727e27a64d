#include "pipeline/delivery/destination_runner.h"

#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {

TEST_CASE("events arrive once, in order, and are settled") {
  Rig rig;
  rig.start();
  rig.add(1200);
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 1200));
  CHECK(rig.everything_settled());
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.crm.violations().empty());
  CHECK(rig.runner->status().delivered == 1200);
}

TEST_CASE("a batch ends at its events, at its bytes or at its age") {
  Rig rig;
  rig.settings.batch = {.events = 10, .bytes = Bytes{5 * body_of(1).size()}, .within = Duration{250}};
  rig.start();
  rig.add(3);
  CHECK(rig.crm.submitted().empty());
  rig.advance(Duration{249});
  CHECK(rig.crm.submitted().empty());
  rig.advance(Duration{2});
  CHECK(rig.crm.submitted().back() == bodies(1, 3));
  rig.add(5);  // full by bytes
  CHECK(rig.crm.submitted().back() == bodies(4, 8));

  rig.crash();
  rig.settings.batch.bytes = 1_MiB;
  rig.start();
  rig.pass_within();
  rig.add(10);
  CHECK(rig.crm.submitted().back() == bodies(9, 18));
}

TEST_CASE("an event larger than a batch travels alone") {
  Rig rig;
  rig.settings.batch.bytes = 1_KiB;
  rig.start();
  rig.add(1);
  rig.log.add(LogName::events, {{std::string(5000, 'x'), "signup", "u1", {}}});
  rig.add(1);
  rig.pass_within();
  CHECK(rig.crm.submitted().size() == 3);
  CHECK(rig.everything_settled());
}

TEST_CASE("at most in_flight_max writes are under way, and little more is read") {
  Rig rig;
  rig.settings.in_flight_max = 3;
  rig.settings.batch.events = 10;
  rig.start();
  rig.crm.cork();
  rig.add(1000);
  CHECK(rig.crm.in_flight() == 3);
  CHECK(rig.runner->status().in_flight == 3);
  rig.crm.answer_one();
  rig.executor.run_ready();
  CHECK(rig.crm.submitted().size() == 4);
  rig.crm.uncork();
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 1000));
  CHECK(rig.crm.in_flight_high() == 3);
}

TEST_CASE("events that nobody asked for are passed over and settled") {
  Rig rig;
  rig.settings.events = {"order*"};
  rig.start();
  rig.add(100, "pageview");
  CHECK(rig.everything_settled());
  CHECK(rig.runner->status().filtered == 100);
  rig.log.add(LogName::events,
              {{"{1}", "pageview", "u1", {}}, {"{2}", "order paid", "u1", {}}, {"{3}", "signup", "u1", {}}});
  rig.wake();
  rig.pass_within();
  CHECK(rig.crm.delivered() == std::vector<std::string>{"{2}"});
  CHECK(rig.runner->status().filtered == 102);
  CHECK(rig.everything_settled());
}

TEST_CASE("`when` decides, and its error is that event's dead letter here") {
  Rig rig;
  rig.start([](std::string_view body, const Facts&) -> Result<bool> {
    if (body == body_of(2)) return fail(ErrorKind::invalid, "attempt to index a nil value");
    return body != body_of(3);
  });
  rig.add(5);
  rig.pass_within();
  CHECK(rig.crm.delivered() == std::vector{body_of(1), body_of(4), body_of(5)});
  const auto dead = rig.dead();
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].body == body_of(2));
  CHECK(dead[0].code == "when_error");
  CHECK(dead[0].reason == "`when` failed: attempt to index a nil value");
  CHECK(rig.runner->status().filtered == 1);
  CHECK(rig.everything_settled());
}

TEST_CASE("a crash between dead letter and cursor loses nothing") {
  Rig rig;
  rig.settings.batch.events = 1;
  rig.start();
  rig.crm.answer_with(refuse(body_of(3)));
  rig.add(1);
  rig.add(3);  // within the second after the first, in which the cursor is not saved again
  CHECK(rig.dead_bodies() == std::vector{body_of(3)});
  rig.crash();
  CHECK(events_between(Offsets(4, 0), rig.store->cursor("crm").value()->next) == 1);
  CHECK(rig.dead_bodies() == std::vector{body_of(3)});
  rig.start();
  CHECK(rig.everything_settled());
  CHECK(rig.crm.delivered() == std::vector{body_of(1), body_of(2), body_of(4), body_of(2), body_of(4)});
}

TEST_CASE("after a restart only what was not settled is delivered again") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.add(20);
  rig.crm.cork();
  rig.add(20);
  rig.advance(Duration{1'500});  // the cursor is saved
  rig.crash();
  rig.crm.uncork();
  CHECK(rig.crm.delivered() == bodies(1, 40));
  rig.start();
  auto expected = bodies(1, 40);
  for (auto& body : bodies(21, 40)) expected.push_back(body);
  CHECK(rig.crm.delivered() == expected);
}

TEST_CASE("a new destination starts at the beginning of an empty log, else where `from` says") {
  for (const std::string from : {"now", "earliest", "1h"}) {
    Rig rig;
    rig.settings.from = from;
    rig.log.add(LogName::events, {{body_of(0), "signup", "u1", {}}});
    rig.start();
    rig.crash();  // the first cursor is there already
    rig.log.add(LogName::events, {{body_of(1), "signup", "u1", {}}});
    rig.start();
    rig.pass_within();
    CHECK(rig.crm.delivered() == bodies(from == "now" ? 1 : 0, 1));
  }
}

TEST_CASE("hurried, a batch does not wait for others") {
  Rig rig;
  rig.start();
  rig.add(3);
  CHECK_FALSE(rig.everything_settled());
  rig.runner->hurry();
  rig.executor.run_ready();
  CHECK(rig.everything_settled());
  rig.add(1);
  CHECK(rig.everything_settled());
}

TEST_CASE("stopping waits for what is in flight and saves the cursor") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.crm.cork();
  rig.add(25);
  bool stopped = false;
  rig.runner->stop(Duration{10'000}, [&] { stopped = true; });
  rig.executor.run_ready();
  CHECK_FALSE(stopped);
  CHECK(rig.crm.closes() == 0);
  rig.crm.uncork();
  rig.executor.run_ready();
  CHECK(stopped);
  CHECK(rig.crm.closes() == 1);
  CHECK(rig.crm.delivered() == bodies(1, 20));
  CHECK(rig.health() == Health::stopped);
  rig.crash();
  rig.start();
  rig.pass_within();
  CHECK(rig.crm.delivered() == bodies(1, 25));
}

TEST_CASE("a dead letter that comes while stopping is kept before the cursor passes it") {
  Rig rig;
  rig.settings.batch.events = 1;
  rig.start();
  rig.crm.cork();
  rig.add(1);
  bool stopped = false;
  rig.runner->stop(Duration{10'000}, [&] { stopped = true; });
  rig.executor.run_ready();
  rig.crm.fail_next(rejected());
  rig.crm.uncork();
  rig.executor.run_ready();
  CHECK(stopped);
  CHECK(rig.everything_settled());
  rig.crash();
  CHECK(rig.dead_bodies() == bodies(1, 1));
  CHECK(rig.store->cursor("crm").value()->next == rig.log.end(LogName::events));
}

TEST_CASE("a frozen destination does not keep a stop beyond its deadline") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.add(10);
  rig.crm.freeze();
  rig.add(10);
  bool stopped = false;
  rig.runner->stop(Duration{10'000}, [&] { stopped = true; });
  rig.advance(Duration{9'999});
  CHECK(rig.crm.closes() == 1);
  rig.advance(Duration{1});
  CHECK(stopped);
  rig.crash();
  rig.start();
  rig.crm.uncork();
  rig.executor.run_ready();
  CHECK(rig.runner->status().delivered == 10);
}

TEST_CASE("retention that overtakes a destination is counted and not silent") {
  Rig rig;
  rig.start();
  rig.crash();
  for (int i = 0; i < 3; ++i) rig.log.add(LogName::events, {{body_of(++rig.added), "signup", "u1", {}}});
  rig.log.drop_records_before(LogName::events, 2);
  rig.start();
  rig.pass_within();
  CHECK(rig.runner->status().skipped == 2);
  CHECK(rig.crm.delivered() == bodies(3, 3));
  CHECK(rig.everything_settled());
}

TEST_CASE("what retention took from a paused destination is told once, though it is killed right after") {
  Rig rig;
  rig.start();
  rig.runner->pause("");
  for (int i = 0; i < 3; ++i) rig.log.add(LogName::events, {{body_of(++rig.added), "signup", "u1", {}}});
  rig.wake();
  rig.log.drop_records_before(LogName::events, rig.log.next_sequence(LogName::events) - 1);
  while (rig.runner->status().skipped == 0) rig.advance(Duration{10});
  rig.crash();
  rig.start();
  rig.advance(Duration{5000});
  CHECK(rig.runner->status().skipped == 0);
  CHECK(rig.everything_settled());
}

TEST_CASE("retention that overtakes a destination which does not read is told within a second") {
  Rig rig;
  rig.start();
  SUBCASE("paused") { rig.runner->pause(""); }
  SUBCASE("unavailable, with a full window") {
    rig.settings.batch.events = 1;
    rig.settings.in_flight_max = 1;
    rig.crash();
    rig.start();
    rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
    rig.add(40);
    rig.advance(Duration{1000});
  }
  const int before = rig.added;
  for (int i = 0; i < 3; ++i) rig.log.add(LogName::events, {{body_of(++rig.added), "signup", "u1", {}}});
  rig.wake();
  rig.log.drop_records_before(LogName::events, rig.log.next_sequence(LogName::events) - 1);
  rig.advance(Duration{1000});
  const auto lost = rig.runner->status().skipped;
  CHECK(lost >= 2);
  rig.crm.deliver_everything();
  rig.runner->resume();
  for (int i = 0; i < 120; ++i) rig.advance(Duration{1000});
  CHECK(rig.everything_settled());
  CHECK(rig.crm.delivered().back() == body_of(before + 3));
  CHECK(rig.runner->status().skipped == lost);
  CHECK(rig.crm.delivered().size() + lost == static_cast<std::size_t>(before) + 3);
}

TEST_CASE("a log that cannot be read makes the destination unavailable, and is read again") {
  Rig rig;
  rig.start();
  rig.log.fail_next_read({ErrorKind::io, "events/0001.seg: Input/output error"}, 2);
  rig.add(3);
  CHECK(rig.runner->status().condition.reason == "cannot read the log: events/0001.seg: Input/output error");
  rig.advance(Duration{2'000});
  CHECK(rig.crm.delivered() == bodies(1, 3));
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("a cursor of a log with another number of partitions is refused by name") {
  Rig rig;
  REQUIRE(rig.store->save_cursor("crm", Offsets(16, 5), Sync::yes).has_value());
  const auto started = DestinationRunner::start({"crm", rig.settings, rig.crm.make(), {}, {}, 7},
                                                {rig.log, *rig.store, rig.clock, rig.executor, rig.executor, rig.executor});
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().message == "destination crm: its cursor is over 16 partitions, but the log has 4");
}

TEST_CASE("what happens is counted") {
  telemetry::Metrics metrics;
  Rig rig;
  rig.settings.batch.events = 1;
  rig.settings.events = {"signup"};
  auto started = DestinationRunner::start({"crm", rig.settings, rig.crm.make(), {}, DeliveryMetrics(metrics, "crm"), 7},
                                          {rig.log, *rig.store, rig.clock, rig.executor, rig.executor, rig.executor});
  rig.runner = std::move(started).value();
  rig.executor.run_ready();
  rig.crm.fail_next(rejected());
  rig.crm.fail_next(retry());
  rig.add(3);
  rig.add(2, "other");
  rig.advance(Duration{2'000});
  const auto text = metrics.render();
  for (const auto* line : {
           R"(penstock_delivery_events_total{destination="crm",outcome="delivered"} 2)",
           R"(penstock_delivery_events_total{destination="crm",outcome="dead"} 1)",
           R"(penstock_delivery_events_total{destination="crm",outcome="filtered"} 2)",
           R"(penstock_delivery_dead_letters_total{code="http_400",destination="crm"} 1)",
           R"(penstock_delivery_retries_total{code="busy",destination="crm"} 1)",
           R"(penstock_delivery_batches_total{destination="crm"} 4)",
           R"(penstock_delivery_lag_events{destination="crm"} 0)",
           R"(penstock_delivery_health{destination="crm",state="healthy"} 1)",
           R"(penstock_delivery_health{destination="crm",state="starting"} 0)",
           R"(penstock_delivery_age_seconds_count{destination="crm"} 2)",
       }) {
    CHECK_MESSAGE(text.find(line) != std::string::npos, line);
  }
}

TEST_CASE("every event of a batch has its own age") {
  telemetry::Metrics metrics;
  Rig rig;
  rig.settings.batch.events = 5;
  auto started = DestinationRunner::start({"crm", rig.settings, rig.crm.make(), {}, DeliveryMetrics(metrics, "crm"), 7},
                                          {rig.log, *rig.store, rig.clock, rig.executor, rig.executor, rig.executor});
  rig.runner = std::move(started).value();
  rig.executor.run_ready();
  std::vector<fakes::SampleEvent> events;
  for (const int seconds : {4, 4, 2, 4, 20})
    events.push_back({body_of(seconds), "signup", "u1", Timestamp{rig.clock.now().ms - 1000 * seconds}});
  rig.log.add(LogName::events, events);
  rig.wake();
  const auto text = metrics.render();
  for (const auto* line : {
           R"(penstock_delivery_age_seconds_count{destination="crm"} 5)",
           R"(penstock_delivery_age_seconds_sum{destination="crm"} 34)",
           R"(penstock_delivery_age_seconds_bucket{destination="crm",le="2.5"} 1)",
           R"(penstock_delivery_age_seconds_bucket{destination="crm",le="5"} 4)",
           R"(penstock_delivery_age_seconds_bucket{destination="crm",le="30"} 5)",
       }) {
    CHECK_MESSAGE(text.find(line) != std::string::npos, line);
  }
}

}  // namespace penstock::delivery
