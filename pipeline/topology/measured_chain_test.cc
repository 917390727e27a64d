// What a chain's apps count and measure is there for Prometheus after the batch.

#include "pipeline/topology/measured_chain.h"

#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using scripting::testing::TempFolder;

namespace {

struct Rig {
  explicit Rig(const std::string& lua, const std::string& destination = {}) {
    folder.write("mine/app.lua", scripting::testing::transform(lua));
    folder.write("mine/app.yaml", "name: mine\nversion: 1.0.0\nsummary: A test.\nsettings: {}\n");
    scripting::AppEntry entry;
    entry.use = entry.name = entry.path = "mine";
    entry.folder = folder.path() + "/mine";
    config::Problems problems;
    const auto plan = scripting::plan_chain({entry}, problems);
    REQUIRE(problems.empty());
    chain = topology::MeasuredChain::make(plan, 0, board, metrics, destination).value();
  }

  // One batch of one event, and what can be scraped once it is over.
  std::string batch(const std::string& body) {
    json::ObjectIndex index;
    Transformed out;
    validator.validate(body, index).value();
    chain->begin_batch(Timestamp{1}, nullptr);
    chain->run(index, scripting::testing::test_facts(), false, out);
    chain->publish();
    return metrics.render();
  }

  TempFolder folder;
  topology::AppBoard board;
  telemetry::Metrics metrics;
  std::unique_ptr<topology::MeasuredChain> chain;
  json::Validator validator;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

topology::AppStatus status_of(const std::string& name, bool suspended = false) {
  topology::AppStatus app;
  app.name = name;
  app.version = "1.0.0";
  app.checksum = "a";
  app.suspended = suspended;
  return app;
}

}  // namespace

TEST_CASE("an app's own counters and gauges are published with its name, and go on from batch to batch") {
  Rig rig("app.metrics.counter('seen', event.n, {plan = event.plan}) app.metrics.gauge('last', event.n) return event");
  const std::string first = rig.batch(R"({"n":2.5,"plan":"pro"})");
  CHECK(has(first, "\npenstock_app_seen_total{app=\"mine\",plan=\"pro\"} 2.5\n"));
  CHECK(has(first, "\npenstock_app_last{app=\"mine\"} 2.5\n"));
  const std::string second = rig.batch(R"({"n":4,"plan":"pro"})");
  CHECK(has(second, "\npenstock_app_seen_total{app=\"mine\",plan=\"pro\"} 6.5\n"));
  CHECK(has(second, "\npenstock_app_last{app=\"mine\"} 4\n"));
}

TEST_CASE("values that went into 'other' are counted") {
  Rig rig("for i = 1, 103 do app.metrics.counter('seen', 1, {id = i}) end return event");
  const std::string text = rig.batch("{}");
  CHECK(has(text, "\npenstock_app_seen_total{app=\"mine\",id=\"other\"} 3\n"));
  CHECK(has(text, "\npenstock_app_label_overflows_total{app=\"mine\"} 3\n"));
}

TEST_CASE("of an app that several workers run status shows one: sums, and suspended when it is with any of them") {
  topology::AppBoard board;
  topology::AppStatus app = status_of("mine");
  app.events = 5;
  app.errors = 2;
  app.holds = true;
  board.show(0, {app, status_of("other")});
  CHECK(board.apps().size() == 2);
  app.events = 7;
  app.suspended = true;
  app.reason = "7 of 7 events failed";
  board.show(2, {app, status_of("other")});
  const auto apps = board.apps();
  REQUIRE(apps.size() == 2);
  CHECK(apps[0].events == 12);
  CHECK(apps[0].errors == 4);
  CHECK(apps[0].suspended);
  CHECK(apps[0].holds);
  CHECK(apps[0].reason == "in 1 of 2 workers: 7 of 7 events failed");
  CHECK_FALSE(apps[1].suspended);
  CHECK(board.suspended("mine"));
  CHECK_FALSE(board.suspended("other"));

  app.checksum = "b";  // a worker has the new version already
  board.show(0, {app});
  CHECK(board.apps().size() == 3);
}

TEST_CASE("the gauge of a suspended app says 1 whichever worker it is suspended with") {
  Rig rig("return event");
  rig.board.show(1, {status_of("mine", true)});
  CHECK(has(rig.batch("{}"), "\npenstock_app_suspended{app=\"mine\"} 1\n"));
  rig.board.show(1, {status_of("mine")});
  CHECK(has(rig.batch("{}"), "\npenstock_app_suspended{app=\"mine\"} 0\n"));
}

TEST_CASE("what the apps of a destination count has names of its own, and says whose it is") {
  Rig rig("if event.n > 1 then error('too large') end app.metrics.counter('seen', event.n) return event", "crm");
  rig.batch(R"({"n":1})");
  const std::string text = rig.batch(R"({"n":2})");
  CHECK(has(text, "\npenstock_delivery_app_events_total{app=\"mine\",destination=\"crm\"} 2\n"));
  CHECK(has(text, "\npenstock_delivery_app_errors_total{app=\"mine\",destination=\"crm\",kind=\"error\"} 1\n"));
  CHECK(has(text, "\npenstock_delivery_app_seen_total{app=\"mine\",destination=\"crm\"} 1\n"));
  CHECK_FALSE(has(text, "\npenstock_app_"));
  REQUIRE(rig.board.apps().size() == 1);
  CHECK(rig.board.apps()[0].errors == 1);
}
