// What a destination makes of one event before it is part of a batch.
#include "pipeline/delivery/preparation.h"

#include <doctest/doctest.h>

#include "tests/fakes/fake_apps.h"

namespace penstock::delivery {
namespace {

using Kind = Prepared::Kind;

struct Bench {
  explicit Bench(When when = {}) : preparation({std::move(when), apps.make(), {"orders"}}) {}
  EventView event(std::string_view body, std::string_view source = "web") {
    EventView made;
    made.facts.source = source;
    made.facts.received_at = Timestamp{1'700'000'000'000};
    made.body = body;
    return made;
  }

  fakes::FakeApps apps;
  Preparation preparation;
};

constexpr std::string_view kBody = R"({"n":1.0})";

}  // namespace

TEST_CASE("without a condition and apps an event goes as it is, and its body is not looked at") {
  Preparation preparation({});
  EventView event;
  event.body = "no JSON at all";
  const Prepared& prepared = preparation.prepare(event);
  CHECK(prepared.kind == Kind::goes);
  CHECK_FALSE(prepared.made);
  REQUIRE(prepared.events.size() == 1);
  CHECK(prepared.events[0].body.data() == event.body.data());
}

TEST_CASE("what a replay's condition passes over leaves no trace on what is live") {
  Preparation preparation({});
  When nothing = [](std::string_view, const Facts&) { return false; };
  EventView event;
  event.body = kBody;
  CHECK(preparation.prepare_replayed(event, nothing).kind == Kind::filtered);
  CHECK(preparation.prepare(event).kind == Kind::goes);
}

TEST_CASE("an event that apps leave alone keeps its place in memory, one that they change does not") {
  Bench bench;
  const EventView event = bench.event(kBody);
  CHECK_FALSE(bench.preparation.prepare(event).made);
  CHECK(bench.preparation.prepare(event).events[0].body.data() == kBody.data());
  bench.apps.make_of = [](auto) { return std::vector<std::string>{R"({"n":2})"}; };
  const Prepared& prepared = bench.preparation.prepare(event);
  CHECK(prepared.made);
  CHECK(prepared.events[0].body == R"({"n":2})");
  bench.apps.make_of = [](auto) { return std::vector<std::string>{}; };
  CHECK(bench.preparation.prepare(event).kind == Kind::dropped);
}

TEST_CASE("apps see the time of receipt as theirs, and whether the body is one of the SDKs") {
  Bench bench;
  bench.preparation.prepare(bench.event(kBody));
  bench.preparation.prepare(bench.event(kBody, "orders"));
  CHECK(bench.apps.times == std::vector(2, Timestamp{1'700'000'000'000}));
  CHECK(bench.apps.canonical == std::vector{true, false});
}

TEST_CASE("the condition decides before the apps; what was wanted before is not asked again") {
  Bench bench([](std::string_view, const Facts&) { return false; });
  const EventView event = bench.event(kBody);
  CHECK(bench.preparation.prepare(event).kind == Kind::filtered);
  CHECK(bench.apps.seen.empty());
  CHECK(bench.preparation.prepare_wanted(event).kind == Kind::goes);
  CHECK(bench.apps.seen.size() == 1);
}

TEST_CASE("an error of a condition is the event's, but no reason to bury what is replayed; an app's always is") {
  Bench bench([](std::string_view, const Facts&) -> Result<bool> { return fail(ErrorKind::invalid, "nil"); });
  When everything;
  const EventView event = bench.event(kBody);
  const Prepared& prepared = bench.preparation.prepare(event);
  CHECK(prepared.kind == Kind::failed);
  CHECK(prepared.code == "when_error");
  CHECK(prepared.app.empty());
  CHECK(bench.preparation.prepare_replayed(event, everything).kind == Kind::filtered);

  Bench other;
  other.apps.make_of = [](auto) { return fail(ErrorKind::invalid, "app.lua:3: nil"); };
  const Prepared& failed = other.preparation.prepare_replayed(event, everything);
  CHECK(failed.kind == Kind::failed);
  CHECK(failed.app == "mine");
  CHECK(failed.code == "app_error");
}

TEST_CASE("what apps make of one event has a bound") {
  Bench bench;
  bench.apps.make_of = [](auto) { return std::vector(9, std::string(2 << 20, ' ')); };
  const EventView event = bench.event(kBody);
  const Prepared& prepared = bench.preparation.prepare(event);
  CHECK(prepared.kind == Kind::failed);
  CHECK(prepared.code == "output_too_large");
}

}  // namespace penstock::delivery
