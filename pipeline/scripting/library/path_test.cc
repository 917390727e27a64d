// Dotted paths, with what may lie on the way.

#include <doctest/doctest.h>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting::testing;

TEST_CASE("get finds what is there, and nil for all that is not") {
  Surroundings lua;
  const Table table{
      {"app.get(event, 'properties.email')", R"("ann@example.com")"},
      {"app.get(event, 'event')", R"("signup")"},
      {"app.get(event, 'properties') == event.properties", "true"},
      {"app.get(event, 'nobody.home') == nil", "true"},
      {"app.get(event, 'event.name') == nil", "true"},
      {"app.get(app.null, 'a') == nil", "true"},
      {"app.get(nil, 'a') == nil", "true"},
      {"app.get(5, 'a.b') == nil", "true"},
      {"app.get({a = {{b = 7}}}, 'a.1.b')", "7"},
      {"app.get({a = {['1'] = 8}}, 'a.1')", "8"},
      {"app.get({a = app.null}, 'a') == app.null", "true"},
      {"app.get({a = app.null}, 'a.b') == nil", "true"},
      {"app.get({a = false}, 'a')", "false"},
      {"app.get(app.settings, 'none.of.it') == nil", "true"},
  };
  for (const auto& [expression, gives] : table) {
    CAPTURE(expression);
    CHECK(lua.eval(expression) == gives);
  }
}

TEST_CASE("set makes what is missing, and leaves alone what is in the way") {
  Surroundings lua;
  const Table table{
      {"(app.set(event, 'a.b.c', 1) and event.a)", R"({"b":{"c":1}})"},
      {"(app.set(event, 'properties.plan', 'free') and event.properties.plan)", R"("free")"},
      {"{app.set(event, 'event.x', 1), event.event}", R"([false,"signup"])"},
      {"(app.set(event, 'list', {1, {x = 1}}) and app.set(event, 'list.2.x', 5) and app.set(event, 'list.1', 0) and "
       "event.list)",
       R"([0,{"x":5}])"},
      {"{app.set(event, 'no.such.thing', nil), event.no == nil}", "[true,true]"},
      {"{app.set(event, 'properties.plan', nil), event.properties.plan == nil}", "[true,true]"},
      {"(function() local t = {} app.set(t, 'a.b', 2) return t end)()", R"({"a":{"b":2}})"},
      {"app.set(app.null, 'a', 1)", "false"},
  };
  for (const auto& [expression, gives] : table) {
    CAPTURE(expression);
    CHECK(lua.eval(expression) == gives);
  }
}

TEST_CASE("a path that is none is an error") {
  Surroundings lua;
  for (const char* path : {"''", "'.a'", "'a.'", "'a..b'", "5", "nil"}) {
    CAPTURE(path);
    CHECK(lua.run(std::string("return app.get(event, ") + path + ")").starts_with("error: "));
  }
}
