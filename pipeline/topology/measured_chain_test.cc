// What a chain's apps count and measure is there for Prometheus after the batch.

#include "pipeline/topology/measured_chain.h"

#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using scripting::testing::TempFolder;

namespace {

struct Rig {
  explicit Rig(const std::string& lua) {
    folder.write("mine/app.lua", scripting::testing::transform(lua));
    folder.write("mine/app.yaml", "name: mine\nversion: 1.0.0\nsummary: A test.\nsettings: {}\n");
    scripting::AppEntry entry;
    entry.use = entry.name = entry.path = "mine";
    entry.folder = folder.path() + "/mine";
    config::Problems problems;
    const auto plan = scripting::plan_chain({entry}, problems);
    REQUIRE(problems.empty());
    chain = topology::MeasuredChain::make(plan, board, metrics).value();
  }

  // One batch of one event, and what can be scraped once it is over.
  std::string batch(const std::string& body) {
    json::ObjectIndex index;
    Transformed out;
    validator.validate(body, index).value();
    chain->begin_batch(Timestamp{1}, nullptr);
    chain->run(index, scripting::testing::test_facts(), false, out);
    chain->begin_batch(Timestamp{2}, nullptr);
    return metrics.render();
  }

  TempFolder folder;
  topology::AppBoard board;
  telemetry::Metrics metrics;
  std::unique_ptr<topology::MeasuredChain> chain;
  json::Validator validator;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

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
