#include "pipeline/scripting/measure/app_cost.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

AppCost cost_of(const std::string& lua, const std::vector<std::string>& samples = {R"({"event":"e","a":{"b":1,"s":"x"}})"}) {
  const testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", lua);
  return measure_app(folder.path(), {}, samples, 100).value();
}

AppCost transform_cost(const std::string& body) { return cost_of(testing::transform(body)); }

}  // namespace

TEST_CASE("what a script does to an event is counted") {
  const AppCost cost =
      transform_cost("local n = event.a.b local x = event.nope event.n = n + 1 event.h = app.sha256('x') return event");
  CHECK(cost.counts.parts_read == 1);
  CHECK(cost.counts.values_read == 1);
  CHECK(cost.counts.missing_read == 1);
  CHECK(cost.counts.assigned == 2);
  CHECK(cost.counts.app_calls.at("sha256") == 1);
  CHECK(cost.counts.walks == 0);
  CHECK(cost.assigned_bytes >= 66);
  CHECK(cost.rebuilt == 0);
  CHECK(cost.median > 0);
  CHECK(cost.fastest <= cost.median);
  CHECK(cost.median <= cost.slowest);
}

TEST_CASE("the facts of a sample are there, as in a pipeline") {
  const std::string body =
      "local facts = event:facts() if facts.distinct_id ~= 'ada' or facts.event ~= 'e' then error('no facts') end "
      "event.visits = app.state.incr('visits') return event";
  const testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\npermissions: {state: true}\n");
  folder.write("app.lua", testing::transform(body));
  const AppCost cost = measure_app(folder.path(), {}, {R"({"event":"e","distinct_id":"ad\u0061"})"}, 100).value();
  CHECK(cost.counts.assigned == 1);
}

TEST_CASE("walks and the members they visit are counted") {
  for (const auto* body : {"for k, v in pairs(event.a) do end return event",
                           "local k, v = next(event.a) while k do k, v = next(event.a, k) end return event"}) {
    CAPTURE(body);
    CHECK(transform_cost(body).counts.walked == 2);
  }
}

TEST_CASE("allocations are those of one event, not of the first") {
  CHECK(transform_cost("return event").counts.allocations == 0);
  CHECK(transform_cost("local t = {} return event").counts.allocations == 1);
  CHECK(cost_of("local t\nreturn { transform = function(e) t = t or { 1, 2, 3 } return e end }").counts.allocations == 0);
}

TEST_CASE("events on which the app fails are left out, and named when there is no other") {
  const AppCost cost = cost_of(testing::transform("event.x = event.n + 1 return event"), {R"({"n":1})", R"({"n":"x"})"});
  CHECK(cost.samples == 1);
  CHECK(cost.failing == 1);
  CHECK(cost.failure.find("app.lua:3:") == 0);
  const testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", testing::transform("error('no')"));
  CHECK(measure_app(folder.path(), {}, {"{}"}, 100).error().message.find("fails on every event: app.lua:3: no") !=
        std::string::npos);
}

TEST_CASE("advice names what is dear, and is silent otherwise") {
  const struct {
    const char* body;
    const char* part;
  } table[] = {
      {"for i = 1, 5 do for k in pairs(event.a) do end end return event", "visits 10 members"},
      {"for i = 1, 40 do local x = event.a end return event", "reads 40 fields"},
      {"return { event = 'e' }", "returns a new table"},
      {"for i = 1, 20 do local t = { i } end return event", "Lua objects an event"},
      {"event.x = ('x'):rep(3000) return event", "assigns 3005 bytes"},
      {"event.x = app.regex('x'):test('y') return event", "asks for a pattern 1.0 times"},
      {"app.log('x') return event", "logs 1.0 lines"},
  };
  for (const auto& row : table) {
    const std::string advice = fmt::format("{}", fmt::join(cost_advice(transform_cost(row.body)), "\n"));
    CAPTURE(row.body);
    CAPTURE(advice);
    CHECK(advice.find(row.part) != std::string::npos);
  }
  AppCost cheap = transform_cost("event.x = event.a.b return event");
  cheap.median = 1000;  // this machine may be busy
  CHECK(cost_advice(cheap).empty());
}

TEST_CASE("the ordinary event is one, of ordinary size") {
  json::ObjectIndex index;
  json::Validator validator;
  CHECK(validator.validate(ordinary_event(), index).has_value());
  CHECK(ordinary_event().size() > 900);
  CHECK(ordinary_event().size() < 1200);
}
