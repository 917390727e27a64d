// What follows from what a destination answers, or does not answer.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"
#include "pipeline/event/timestamps.h"

namespace penstock::delivery {

TEST_CASE("a dead letter is whole although nobody else remembers its event") {
  Rig rig;
  rig.settings.batch.events = 1;
  rig.crm.answer_with(refuse(body_of(1)));
  rig.crm.cork();
  rig.start();
  rig.add(1);
  rig.add(3);  // the feed goes on to other records
  rig.log.drop_records_before(LogName::events, 2);
  rig.crm.uncork();
  rig.executor.run_ready();
  REQUIRE(rig.dead().size() == 1);
  CHECK(rig.dead()[0].body == body_of(1));
  CHECK(rig.dead()[0].event == "signup");
  CHECK(rig.dead()[0].distinct_id == "u1");
}

TEST_CASE("a dead destination holds, costs nothing and catches up") {
  Rig rig;
  rig.settings.batch.events = 50;
  rig.start();
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  for (int i = 0; i < 20; ++i) rig.add(100);
  rig.advance(std::chrono::hours(1));
  CHECK(rig.dead().empty());
  CHECK(rig.health() == Health::unavailable);
  CHECK(rig.runner->status().condition.reason == "it said http_503");
  CHECK(rig.runner->status().lag_events == 2000);
  CHECK(rig.runner->status().lag >= std::chrono::hours(1));
  const auto tries = rig.crm.submitted().size();
  CHECK(tries > 100);   // about two a minute,
  CHECK(tries < 1000);  // one batch each

  rig.crm.deliver_everything();
  rig.advance(std::chrono::seconds(31));
  CHECK(rig.crm.delivered() == bodies(1, 2000));
  CHECK(rig.dead().empty());
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("one guilty event of a batch of 500 becomes exactly one dead letter") {
  Rig rig;
  rig.start();
  rig.crm.answer_with(refuse(body_of(217)));
  rig.add(500);
  const auto dead = rig.dead();
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].body == body_of(217));
  CHECK(dead[0].stage == "crm");
  CHECK(dead[0].code == "http_400");
  CHECK(dead[0].reason == "it said http_400");
  CHECK(dead[0].attempts >= 9);
  CHECK(dead[0].source == "web");
  CHECK(dead[0].distinct_id == "u1");
  CHECK(rig.crm.delivered().size() == 499);
  CHECK(rig.everything_settled());
  CHECK(rig.crm.submitted().size() < 20);
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("Retry-After is honoured, and a rate limit has its own word") {
  Rig rig;
  rig.start();
  auto limited = outcome(Outcome::Kind::unavailable, "http_429", Duration{90'000});
  limited.limited = true;
  rig.crm.fail_next(limited);
  rig.add(10);
  rig.pass_within();
  CHECK(rig.health() == Health::limited);
  const std::string until = format_timestamp({rig.clock.now().ms + 90'000}).substr(11, 8);
  CHECK(rig.runner->status().condition.reason == "it said http_429, until " + until + "Z");
  rig.advance(Duration{89'000});
  CHECK(rig.crm.submitted().size() == 1);
  rig.advance(Duration{1'001});
  CHECK(rig.crm.delivered() == bodies(1, 10));
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.runner->status().condition.reason.empty());
}

TEST_CASE("after an outage one write probes, and what was held goes in order before what is newer") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.crm.cork();
  rig.add(40);
  CHECK(rig.crm.in_flight() == 4);
  rig.crm.fail_next(unavailable(), 4);
  for (int i = 0; i < 3; ++i) rig.crm.answer_one();
  rig.advance(std::chrono::minutes(2));
  CHECK(rig.crm.connects() == 1);  // one write is still in flight
  rig.crm.answer_one();
  rig.advance(std::chrono::minutes(2));
  CHECK(rig.crm.connects() == 2);
  CHECK(rig.crm.in_flight() == 1);
  rig.add(10);
  rig.crm.uncork();
  rig.executor.run_ready();
  CHECK(rig.crm.delivered() == bodies(1, 50));
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("trouble that the destination knows of is told beside what waits, and soon") {
  Rig rig;
  rig.settings.batch.events = 5;
  rig.crm.be_in_trouble("k1: Connection refused");
  rig.start();
  rig.add(5);
  rig.advance(Duration{1'000});
  CHECK(rig.runner->status().condition.reason.empty());
  rig.crm.cork();
  rig.add(5);
  rig.advance(Duration{3'000});
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.runner->status().condition.reason == "1 write in flight, without an answer for 3 s: k1: Connection refused");
  rig.crm.be_in_trouble("");
  rig.advance(Duration{1'000});
  CHECK(rig.runner->status().condition.reason.empty());
}

TEST_CASE("writes without an answer are told of, though the destination is healthy") {
  Rig rig;
  rig.settings.batch.events = 5;
  rig.crm.cork();
  rig.start();
  rig.add(10);
  rig.advance(Duration{9'000});
  CHECK(rig.runner->status().condition.reason.empty());
  rig.advance(Duration{22'000});
  CHECK(rig.health() == Health::healthy);
  CHECK(rig.runner->status().condition.reason == "2 writes in flight, without an answer for 31 s");
  rig.crm.uncork();
  rig.advance(Duration{1'000});
  CHECK(rig.runner->status().condition.reason.empty());
  CHECK(rig.everything_settled());
}

TEST_CASE("connect is tried again until it succeeds") {
  Rig rig;
  rig.crm.fail_connect("connection refused by crm.example:443", 3);
  rig.start();
  rig.add(5);
  CHECK(rig.health() == Health::unavailable);
  CHECK(rig.runner->status().condition.reason == "connection refused by crm.example:443");
  CHECK(rig.crm.submitted().empty());
  rig.advance(std::chrono::minutes(1));
  CHECK(rig.crm.connects() == 4);
  CHECK(rig.crm.delivered() == bodies(1, 5));
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("an event that fails for its own sake is retried, then a dead letter, while the stream goes on") {
  Rig rig;
  rig.settings.batch.events = 1;
  rig.start();
  const auto poison = body_of(3);
  rig.crm.answer_with(
      [&](const Batch& batch) { return Outcomes::all(contains(batch, poison) ? retry() : Outcome::delivered()); });
  rig.add(10);
  CHECK(rig.crm.delivered().size() == 9);
  CHECK(rig.runner->status().retrying == 1);
  rig.advance(std::chrono::minutes(10));
  const auto dead = rig.dead();
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].body == poison);
  CHECK(dead[0].attempts == 10);
  CHECK(dead[0].reason == "gave up after 10 attempts: it said busy");
  CHECK(dead[0].first_at < dead[0].last_at);
  CHECK(rig.everything_settled());
  CHECK(rig.health() == Health::healthy);
}

TEST_CASE("an event is not retried beyond its age") {
  Rig rig;
  rig.settings.retry = {
      .attempts_max = 1000, .age_max = Duration{60'000}, .wait_min = Duration{500}, .wait_max = Duration{5'000}};
  rig.start();
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(retry()); });
  rig.add(1);
  rig.advance(Duration{55'000});
  CHECK(rig.dead().empty());
  rig.advance(Duration{20'000});
  CHECK(rig.dead_bodies() == bodies(1, 1));
}

TEST_CASE("of a batch with an answer for each, only what has to go again does") {
  Rig rig;
  rig.start();
  bool first = true;
  rig.crm.answer_with([&](const Batch& batch) {
    if (!std::exchange(first, false)) return Outcomes::all(Outcome::delivered());
    Outcomes each{std::vector<Outcome>(batch.events.size())};
    each.each[1] = rejected();
    each.each[2] = retry();
    return each;
  });
  rig.add(5);
  rig.pass_within();
  CHECK(rig.crm.delivered() == std::vector{body_of(1), body_of(4), body_of(5)});
  rig.advance(Duration{600});
  CHECK(rig.crm.submitted().back() == std::vector{body_of(3)});
  CHECK(rig.dead_bodies() == std::vector{body_of(2)});
  CHECK(rig.everything_settled());
}

TEST_CASE("an answer with the wrong number of outcomes is the destination's fault") {
  Rig rig;
  rig.start();
  rig.crm.answer_with([](const Batch&) { return Outcomes{std::vector<Outcome>(2)}; });
  rig.add(3);
  rig.pass_within();
  CHECK(rig.runner->status().condition.reason == "the destination answered with 2 outcomes for 3 events");
  rig.crm.deliver_everything();
  rig.advance(std::chrono::minutes(1));
  CHECK(rig.runner->status().delivered == 3);
  CHECK(rig.dead().empty());
}

TEST_CASE("a batch that is let go without an answer comes again") {
  class Forgetful final : public Destination {
   public:
    Result<void> connect(std::stop_token) override { return {}; }
    void submit(Batch batch, Completion done) override {
      if (++submits > 1) done(Outcomes::all(Outcome::delivered()));
      last = batch.events.size();
    }
    void close() override {}
    int submits = 0;
    std::size_t last = 0;
  };
  Rig rig;
  auto started = DestinationRunner::start({"crm", rig.settings, std::make_unique<Forgetful>(), {}, {}, 7},
                                          {rig.log, *rig.store, rig.clock, rig.executor, rig.executor, rig.executor});
  rig.runner = std::move(started).value();
  rig.add(3);
  rig.pass_within();
  CHECK(rig.runner->status().condition.reason == "the destination let go of a batch without an answer");
  rig.advance(std::chrono::seconds(2));
  CHECK(rig.everything_settled());
}

}  // namespace penstock::delivery
