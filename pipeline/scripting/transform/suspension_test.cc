// An app that keeps failing is taken out of the way, and comes back.

#include <doctest/doctest.h>

#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

// Fails on {"bad":…}, marks the rest.
TestApp picky(WhileSuspended then) {
  return {.lua = transform("if event.bad then error('bad one') end event.seen = true return event"),
          .suspend = {.share = 0.5, .events = 10, .then = then, .retry = Duration{1000}}};
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

void begin_trial(TestChain& chain) {
  chain.clock.advance(Duration{1000});
  chain.chain->begin_batch(Timestamp{1'700'000'003'000});
}

void fail_times(TestChain& chain, int times) {
  for (int i = 0; i < times; ++i) CHECK(has(chain.run(R"({"bad":1})"), "error: app.lua:3: bad one"));
}

}  // namespace

TEST_CASE("more than its share of failures suspends an app; fewer do not") {
  TestChain chain(picky(WhileSuspended::hold));
  for (int window = 0; window < 5; ++window) {
    fail_times(chain, 5);
    for (int i = 0; i < 5; ++i) CHECK(chain.run("{}") == R"({"seen":true})");
  }
  CHECK_FALSE(chain.chain->suspended(0));
  fail_times(chain, 5);
  CHECK_FALSE(chain.chain->holding());
  fail_times(chain, 1);
  CHECK(chain.chain->suspended(0));
  CHECK(chain.chain->holding());
  CHECK(chain.chain->counters(0).suspensions == 1);
  CHECK(has(chain.logged,
            "suspended: it failed on 6 of its last 6 events; on 01890a5d-ac96-774b-bcce-b302099a8057: app.lua:3"));
}

TEST_CASE("a holding chain treats what it is given all the same, and wants more once its time has come") {
  TestChain chain(picky(WhileSuspended::hold));
  fail_times(chain, 6);
  CHECK(chain.run("{}") == R"({"seen":true})");
  fail_times(chain, 1);
  chain.clock.advance(Duration{999});
  CHECK(chain.chain->holding());
  chain.clock.advance(Duration{1});
  CHECK_FALSE(chain.chain->holding());
  for (int i = 0; i < 10; ++i) CHECK(chain.run("{}") == R"({"seen":true})");
  CHECK_FALSE(chain.chain->suspended(0));
  CHECK_FALSE(chain.chain->on_trial());
  CHECK(has(chain.logged, "works again"));
}

TEST_CASE("a suspended app is tried again when somebody says so, and only then before its time") {
  for (const auto then : {WhileSuspended::hold, WhileSuspended::pass}) {
    TestChain chain({picky(then)});
    chain.chain->retry();
    CHECK_FALSE(chain.chain->on_trial());
    fail_times(chain, 6);
    REQUIRE(chain.chain->suspended(0));
    chain.chain->retry();
    CHECK_FALSE(chain.chain->suspended(0));
    CHECK_FALSE(chain.chain->holding());
    CHECK(chain.chain->on_trial());
    fail_times(chain, 6);
    CHECK(chain.chain->suspended(0));
    chain.chain->retry();
    for (int i = 0; i < 10; ++i) CHECK(chain.run("{}") == R"({"seen":true})");
    CHECK_FALSE(chain.chain->on_trial());
  }
}

TEST_CASE("on trial a tenth of the events is enough to suspend it again") {
  TestApp app = picky(WhileSuspended::hold);
  app.suspend.events = 200;
  TestChain chain(app);
  fail_times(chain, 101);
  REQUIRE(chain.chain->holding());
  begin_trial(chain);
  CHECK_FALSE(chain.chain->holding());
  CHECK_MESSAGE(has(chain.chain->why_holding(), "app app failed on 101 of its last 101 events; on 01890a5d-"), "still");
  CHECK(has(chain.chain->why_holding(), "bad one"));
  fail_times(chain, 10);
  CHECK_FALSE(chain.chain->holding());
  fail_times(chain, 1);
  CHECK(chain.chain->holding());
  CHECK(chain.chain->standing() == Standing::out);
  CHECK(chain.chain->counters(0).suspensions == 2);
}

TEST_CASE("on trial one poisonous event is not the app's fault, however few events are looked at") {
  for (const double share : {0.5, 0.1}) {
    TestApp app = picky(WhileSuspended::hold);
    app.suspend.share = share;
    TestChain chain(app);
    fail_times(chain, 6);
    begin_trial(chain);
    fail_times(chain, 1);
    CHECK(chain.chain->standing() == Standing::on_trial);
    for (int i = 0; i < 20; ++i) chain.run("{}");
    CHECK(chain.chain->standing() == Standing::good);
  }
}

TEST_CASE("a trial that ends early is judged by what was seen") {
  TestChain chain(picky(WhileSuspended::hold));
  fail_times(chain, 6);
  begin_trial(chain);
  chain.chain->judge();
  CHECK(chain.chain->standing() == Standing::on_trial);
  for (int i = 0; i < 3; ++i) chain.run("{}");
  fail_times(chain, 3);
  chain.chain->judge();
  CHECK(chain.chain->standing() == Standing::on_trial);
  fail_times(chain, 1);
  chain.chain->judge();
  CHECK(chain.chain->standing() == Standing::out);
  CHECK(has(chain.logged, "failed on 4 of its last 7 events; on 01890a5d-ac96-774b-bcce-b302099a8057: app.lua:3"));
}

TEST_CASE("a trial that is given up is not counted, but as a suspension") {
  TestApp app = picky(WhileSuspended::hold);
  app.lua = transform("app.metrics.counter('calls', 1) if event.bad then error('bad one') end return event");
  TestChain chain(app);
  fail_times(chain, 6);
  begin_trial(chain);
  fail_times(chain, 6);
  CHECK(chain.chain->counters(0).errors == 12);
  chain.chain->give_up_batch();
  CHECK(chain.chain->counters(0).errors == 6);
  CHECK(chain.chain->counters(0).events == 6);
  CHECK(chain.chain->counters(0).suspensions == 2);
  double calls = 0;
  chain.chain->metrics(0).publish([&](const AppMetrics::Sample& sample) { calls += sample.value; });
  CHECK(calls == 6);
  chain.clock.advance(Duration{1000});
  chain.chain->begin_batch(Timestamp{});
  for (int i = 0; i < 10; ++i) chain.run("{}");
  CHECK(chain.chain->counters(0).events == 16);
}

TEST_CASE("on trial, what is tried and kept by nobody does not count towards the verdict; at events' own times") {
  TestApp app = picky(WhileSuspended::hold);
  app.lua = transform("if event.bad then error('bad one') end event.at = app.now() return event");
  TestChain chain(app);
  fail_times(chain, 6);
  chain.clock.advance(Duration{1000});
  for (int rehearsal = 0; rehearsal < 3; ++rehearsal) {
    chain.chain->begin_batch(Timestamp{1000});
    CHECK(chain.run("{}") == R"({"at":1000})");
    chain.chain->set_time(Timestamp{2000});
    for (int i = 0; i < 5; ++i) CHECK(chain.run("{}") == R"({"at":2000})");
    chain.chain->judge();
    chain.chain->give_up_batch();
    CHECK(chain.chain->standing() == Standing::on_trial);
    CHECK(chain.chain->counters(0).events == 6);
  }
  chain.chain->begin_batch(Timestamp{});
  for (int i = 0; i < 10; ++i) chain.run("{}");
  chain.chain->give_up_batch();
  CHECK_MESSAGE(chain.chain->standing() == Standing::good, "a verdict stays");
}

TEST_CASE("an app that takes over from one that was held is tried first, others are not") {
  TestChain chain({picky(WhileSuspended::hold)});
  chain.chain->distrust({"another"});
  CHECK(chain.chain->standing() == Standing::good);
  chain.chain->distrust({"app"});
  CHECK(chain.chain->standing() == Standing::on_trial);
  CHECK(chain.chain->distrusted() == std::vector<std::string>{"app"});
  CHECK(chain.chain->why_holding() == "app app was suspended before it was changed");
}

TEST_CASE("with `pass`, events go by a suspended app unchanged until it is tried again") {
  TestChain chain(picky(WhileSuspended::pass));
  fail_times(chain, 6);
  CHECK_FALSE(chain.chain->holding());
  CHECK(chain.run(R"({"bad":1})") == R"({"bad":1})");
  CHECK(chain.run("{}") == "{}");
  CHECK(chain.chain->counters(0).passed_by == 2);
  chain.clock.advance(Duration{1000});
  CHECK(chain.run("{}") == R"({"seen":true})");
}

TEST_CASE("with `never`, an app may fail for ever") {
  TestChain chain(picky(WhileSuspended::never));
  fail_times(chain, 100);
  CHECK_FALSE(chain.chain->suspended(0));
}

TEST_CASE("a suspension counts failures whatever on_error makes of them") {
  for (const OnError on_error : {OnError::drop, OnError::pass}) {
    TestApp app = picky(WhileSuspended::hold);
    app.on_error = on_error;
    TestChain chain(app);
    for (int i = 0; i < 6; ++i) chain.run(R"({"bad":1})");
    CHECK(chain.chain->suspended(0));
  }
}
