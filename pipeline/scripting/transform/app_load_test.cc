// What of `app` is there while an app loads, and what stays when its state is thrown away.

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "pipeline/config/yaml_parser.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string problems_of(const TestChain& chain) {
  std::string text;
  for (const auto& problem : chain.problems) text += problem.to_string() + "\n";
  return text;
}

}  // namespace

TEST_CASE("what an app counted stays when its state is thrown away") {
  TestChain chain("app.metrics.counter('seen') if event.loop then while true do end end return event");
  chain.run("{}");
  CHECK(has(chain.run(R"({"loop":1})"), "error: "));
  chain.run("{}");
  double seen = 0;
  chain.chain->metrics(0).publish([&](const AppMetrics::Sample& sample) { seen += sample.value; });
  CHECK(seen == 3);
}

TEST_CASE("`app` is there while an app loads, but for what needs an event") {
  const auto load = [](const std::string& top) {
    TestChain chain(
        std::vector<TestApp>{{.lua = top + " local M = {} function M.transform(event) event.x = re:test(event.a) "
                                           "return event end return M"}});
    return chain.chain ? chain.run(R"({"a":"b"})") : problems_of(chain);
  };
  CHECK(load("local re = app.regex('^b')") == R"({"a":"b","x":true})");
  CHECK(load("local re = app.regex(app.json.decode('\"^b\"'))") == R"({"a":"b","x":true})");
  CHECK(has(load("local re = app.regex('(')"), "app.lua:1: invalid regular expression: missing ): ("));
  for (const char* early : {"app.now()", "app.uuid()", "app.facts()", "app.metrics.counter('a')"}) {
    CAPTURE(early);
    CHECK(has(load(early), "while the app is being loaded"));
  }
  CHECK(has(load("app.x = 1"), "read-only"));
}

TEST_CASE("the version of a chain follows whatever changes what its scripts get") {
  const auto version = [](const std::string& settings, const std::string& with = "") {
    config::Problems problems;
    config::Node given;
    if (!with.empty()) REQUIRE(parse_yaml(with, std::make_shared<const std::string>("test.yaml"), given, problems));
    TestChain chain(std::vector<TestApp>{{.lua = transform("return event"), .settings_yaml = settings, .with = given}});
    REQUIRE(chain.chain);
    return chain.chain->version();
  };
  const std::string one = "settings: { a: { type: string, default: x } }";
  CHECK(version(one) == version(one));
  CHECK(version(one) != version("settings: { a: { type: string, default: y } }"));
  CHECK(version(one) != version("settings: { a: { type: any, default: x } }"));
  CHECK(version("settings: { n: { type: string, default: '1' } }") != version("settings: { n: { type: any, default: 1 } }"));
  CHECK(version("settings: { m: { type: map } }", "m: { a: 1, b: 2 }") !=
        version("settings: { m: { type: map } }", "m: { b: 2, a: 1 }"));
}
