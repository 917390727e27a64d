// Every function of the `app` table does what its declaration says.

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "pipeline/event/json.h"
#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

std::vector<AppFunction> everything() {
  std::vector<AppFunction> all = app_functions();
  for (const AppFunction& method : app_methods()) all.push_back(method);
  return all;
}

}  // namespace

TEST_CASE("each example gives what its declaration says") {
  Surroundings lua;
  for (const AppFunction& function : everything()) {
    CAPTURE(function.name);
    CAPTURE(function.example);
    CHECK(lua.eval(std::string(function.example)) == function.gives);
  }
}

TEST_CASE("each declaration is whole, and names are not taken twice") {
  std::set<std::string_view> names;
  for (const AppFunction& function : everything()) {
    CAPTURE(function.name);
    CHECK(names.insert(function.name).second);
    CHECK(function.doc.ends_with('.'));
    CHECK(function.example.find(function.name.substr(function.name.find(':') + 1)) != std::string_view::npos);
    CHECK((function.function != nullptr));
    const std::string usage = function.usage();
    const bool method = function.name.find(':') != std::string_view::npos;
    CHECK(usage.find(std::string(function.name.substr(1)) + "(") == (method ? 1 : 5));
    CHECK(usage.starts_with("app.") == !method);
    CHECK(usage.ends_with(")"));
    CHECK((usage.find(':', usage.find('(')) == std::string::npos));
    CHECK(usage.find('?') == std::string::npos);
  }
}

TEST_CASE("a usage shows the parameters and which of them may be left out") {
  AppFunction function{};
  function.name = "x.y";
  CHECK(function.usage() == "app.x.y()");
  function.parameters = "text: string, n?: integer, how?: string|table|fun(...): any";
  CHECK(function.usage() == "app.x.y(text, [n], [how])");
  function.parameters = "labels?: table<string, string|number>, f: fun(a, b): c";
  CHECK(function.usage() == "app.x.y([labels], f)");
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
