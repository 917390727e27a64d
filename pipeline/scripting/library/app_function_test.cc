// Every function of the `app` table does what its declaration says.

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "pipeline/event/json.h"
#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("each example gives what its declaration says") {
  Surroundings lua;
  for (const AppFunction& function : app_functions()) {
    CAPTURE(function.name);
    CAPTURE(function.example);
    CHECK(lua.eval(std::string(function.example)) == function.gives);
  }
}

TEST_CASE("each declaration is whole, and names are not taken twice") {
  std::set<std::string_view> names;
  for (const AppFunction& function : app_functions()) {
    CAPTURE(function.name);
    CHECK(names.insert(function.name).second);
    CHECK(function.doc.ends_with('.'));
    CHECK(function.example.find(function.name.substr(function.name.find(':') + 1)) != std::string_view::npos);
    CHECK((function.function != nullptr));
    const std::string usage = function.usage();
    CHECK(usage.starts_with("app." + std::string(function.name) + "("));
    CHECK(usage.ends_with(")"));
    CHECK(usage.find(':') == std::string::npos);
    CHECK(usage.find('?') == std::string::npos);
  }
}

TEST_CASE("a usage shows the parameters and which of them may be left out") {
  AppFunction function{};
  function.name = "x.y";
  CHECK(function.usage() == "app.x.y()");
  function.parameters = "text: string, n?: integer, how?: string|table|fun(...): any";
  CHECK(function.usage() == "app.x.y(text, [n], [how])");
}

TEST_CASE("functions that read a text take nothing for one") {
  Surroundings lua;
  for (const AppFunction& function : app_functions()) {
    if (!function.parameters.starts_with("text: string") && !function.parameters.starts_with("bytes: string")) continue;
    const std::string name(function.name);
    CAPTURE(name);
    for (const char* wrong : {"", "nil", "5", "{}", "app.null", "event"}) {
      CAPTURE(wrong);
      CHECK(lua.eval("app." + name + "(" + wrong + ")").starts_with("error: test:1: bad argument #1 to '"));
    }
  }
}
