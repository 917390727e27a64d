// app.metrics: what apps count, its limits, and that it comes out once.

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

// "counter signups{plan=pro} 2; …", by name.
std::string published(AppMetrics& metrics) {
  std::map<std::string, double> all;
  metrics.publish([&](const AppMetrics::Sample& sample) {
    std::string name = (sample.kind == AppMetrics::Kind::gauge ? "gauge " : "counter ") + sample.name + "{";
    for (const auto& [label, value] : sample.labels) name += (name.ends_with('{') ? "" : ",") + label + "=" + value;
    all[name + "}"] += sample.value;
  });
  std::string text;
  for (const auto& [name, value] : all) text += name + " " + std::to_string(static_cast<long long>(value * 100)) + "% ";
  return text;
}

}  // namespace

TEST_CASE("counters add up and come out once, gauges have their last value") {
  Surroundings lua;
  lua.run(
      "local m = app.metrics m.counter('a') m.counter('a', 2) m.counter('a', 0.5) m.counter('b', {x = 1}) m.counter('b', 3, "
      "{x = 1}) "
      "m.counter('b', 1, {y = true, x = 'ü'}) m.gauge('g', 5) m.gauge('g', -1.5) m.gauge('h', 1, event.properties)");
  CHECK(published(lua.metrics) ==
        "counter a{} 350% counter b{x=1} 400% counter b{x=ü,y=true} 100% gauge g{} -150% gauge "
        "h{email=ann@example.com,plan=pro} "
        "100% ");
  CHECK(published(lua.metrics).empty());
  lua.run("app.metrics.counter('a')");
  CHECK(published(lua.metrics) == "counter a{} 100% ");
}

TEST_CASE("too many combinations of labels become one, and are counted") {
  Surroundings lua;
  lua.run(
      "for i = 1, 150 do app.metrics.counter('a', 1, {id = i, kind = 'x'}) end app.metrics.counter('a', 1, {id = 1, kind = "
      "'x'})");
  const std::string text = published(lua.metrics);
  CHECK(text.find("counter a{id=1,kind=x} 200%") != std::string::npos);
  CHECK(text.find("counter a{id=100,kind=x} 100%") != std::string::npos);
  CHECK(text.find("id=101") == std::string::npos);
  CHECK(text.find("counter a{id=other,kind=other} 5000%") != std::string::npos);
  CHECK(lua.metrics.overflows() == 50);
}

TEST_CASE("long label values are cut at a character") {
  Surroundings lua;
  lua.run("app.metrics.counter('a', 1, {x = ('ü'):rep(40), y = 'a' .. ('ü'):rep(40)})");
  std::string u;
  for (int i = 0; i < 31; ++i) u += "ü";
  CHECK(published(lua.metrics) == "counter a{x=" + u + "ü,y=a" + u + "} 100% ");
}

TEST_CASE("what breaks a rule of metrics is an error that says which") {
  Surroundings lua;
  for (const auto& [call, message] : Table{{"counter('')", "'' is no name"},
                                           {"counter('Ab')", "'Ab' is no name"},
                                           {"counter('1a')", "'1a' is no name"},
                                           {"counter(('a'):rep(65))", "at most 64"},
                                           {"counter('events')", "every app has"},
                                           {"counter('a_total')", "_total"},
                                           {"counter('a', -1)", "only grows"},
                                           {"counter('a', 0/0)", "finite"},
                                           {"gauge('a', 1/0)", "finite"},
                                           {"gauge('a')", "number expected"},
                                           {"counter('a', 'x')", "number expected"},
                                           {"counter('a', 1, 'x')", "table expected"},
                                           {"counter('a', 1, {app = 'x'})", "'app' is there already"},
                                           {"counter('a', 1, {['x-y'] = 1})", "'x-y' is no name"},
                                           {"counter('a', 1, {x = {}})", "label 'x': a string"},
                                           {"counter('a', 1, {x = app.null})", "got app.null"},
                                           {"counter('a', 1, {1})", "must be strings"},
                                           {"counter('a', 1, {a=1,b=1,c=1,d=1,e=1,f=1})", "may have 5 labels"}}) {
    CAPTURE(call);
    const std::string answer = lua.run("app.metrics." + call);
    CHECK(answer.starts_with("error: test:1:"));
    CHECK(answer.find(message) != std::string::npos);
  }
  CHECK(published(lua.metrics).empty());
  CHECK(lua.run("app.metrics.counter('a') app.metrics.gauge('a', 1)").find("'a' is a counter already") != std::string::npos);
  CHECK(lua.run("for i = 1, 21 do app.metrics.counter('m' .. i) end").find("an app may have 20") != std::string::npos);
}
