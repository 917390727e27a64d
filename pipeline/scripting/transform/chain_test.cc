#include "pipeline/scripting/transform/chain.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "pipeline/config/yaml_parser.h"
#include "pipeline/event/event_filter.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/scripting/transform/condition.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

config::Node yaml(const std::string& text) {
  config::Node node;
  config::Problems problems;
  REQUIRE(config::parse_yaml(text, std::make_shared<const std::string>("test.yaml"), node, problems));
  return node;
}

std::string problems_of(const TestChain& chain) {
  std::string text;
  for (const auto& problem : chain.problems) text += problem.to_string() + "\n";
  return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the next app sees what the one before it made") {
  TestChain chain(std::vector<TestApp>{
      {.name = "a", .lua = transform("event.p.x = 1 event.gone = nil event.list[1] = nil return event")},
      {.name = "b",
       .lua = transform("event.p.y = event.p.x + 1 event.n = #event.list event.first = event.list[1] "
                        "event.was = event.gone == nil return event")},
      {.name = "c", .lua = transform("event.p.x = nil return event")}});
  CHECK(chain.run(R"({"p":{"z":1.0},"gone":1,"list":[1,2,3]})") ==
        R"({"p":{"z":1.0,"y":2},"list":[2,3],"n":2,"first":2,"was":true})");
}

TEST_CASE("one event may become several, each on its way through the rest") {
  TestChain chain(std::vector<TestApp>{
      {.name = "split", .lua = transform("return {event, {event = 'b', n = 2}, event}")},
      {.name = "mark", .lua = transform("if event.n == 2 then return nil end event.u = app.facts().uuid return event")}});
  const std::string first = derived_uuid(chain.facts.uuid, "split", 1).to_string();
  const std::string third = derived_uuid(chain.facts.uuid, "split", 3).to_string();
  CHECK(chain.run(R"({"event":"a"})") == R"({"event":"a","u":")" + first + R"("} {"event":"a","u":")" + third + R"("})");
  CHECK(chain.out.events[0].facts.uuid.to_string() == first);
  CHECK(chain.chain->counters(0).split == 3);
  CHECK(chain.chain->counters(1).dropped == 1);
}

TEST_CASE("parts of a canonical event carry their own uuid and facts") {
  TestChain chain("return {event, {event = 'b', distinct_id = 'other'}}");
  const std::string uuid = chain.facts.uuid.to_string();
  chain.run(R"({"event":"a","uuid":")" + uuid + "\"}", true);
  REQUIRE(chain.out.events.size() == 2);
  const auto& parts = chain.out.events;
  CHECK(parts[0].body == R"({"event":"a","uuid":")" + parts[0].facts.uuid.to_string() + "\"}");
  CHECK(parts[0].facts.uuid != chain.facts.uuid);
  CHECK(parts[0].facts.distinct_id == "u1");
  CHECK(parts[1].facts.event == "b");
  CHECK(parts[1].facts.distinct_id == "other");
}

TEST_CASE("a list of one keeps the event's uuid") {
  TestChain chain("return {{event = 'x'}}");
  CHECK(chain.run("{}", true) == R"({"event":"x"})");
  CHECK(chain.out.events[0].facts.uuid == chain.facts.uuid);
  CHECK(chain.out.events[0].facts.event == "x");
}

TEST_CASE("assigned facts leave the chain with the event") {
  TestChain chain("event.event = 'renamed' event.distinct_id = 5 return event");
  chain.run(R"({"event":"a","distinct_id":"b"})", true);
  CHECK(chain.out.events[0].facts.event == "renamed");
  CHECK(chain.out.events[0].facts.distinct_id == "5");
}

TEST_CASE("filters and conditions decide who sees an event") {
  TestChain chain(std::vector<TestApp>{
      {.name = "named", .lua = transform("event.a = 1 return event"), .events = {"signup", "$page*"}},
      {.name = "other", .lua = transform("event.b = 1 return event"), .events = {"$page*"}},
      {.name = "when", .lua = transform("event.c = 1 return event"), .when = "event.n > 1 and facts.source == 'web'"}});
  REQUIRE(chain.problems.empty());
  CHECK(chain.run(R"({"n":2})") == R"({"n":2,"a":1,"c":1})");
  CHECK(chain.run(R"({"n":1})") == R"({"n":1,"a":1})");
  CHECK(chain.run("{}") == "error: when:1: attempt to compare number with nil");
  CHECK(chain.out.app == "when");
  CHECK(chain.out.code == "app_error");
  CHECK(chain.chain->counters(1).skipped == 3);
}

TEST_CASE("a condition cannot change the event, and must be an expression") {
  TestChain chain(std::vector<TestApp>{
      {.name = "a", .lua = transform("return event"), .when = "(function() event.x = 1 return true end)()"}});
  CHECK(has(chain.run("{}"), "a condition cannot change the event"));
  for (const char* wrong : {"event.x ==", "true) or (true", "local x = 1", "event.x = 1", "true return false"}) {
    CAPTURE(wrong);
    CHECK(has(problems_of(TestChain(std::vector<TestApp>{{.name = "a", .lua = transform("return event"), .when = wrong}})),
              "when:"));
  }
}

TEST_CASE("on_error decides what becomes of an event on which an app fails") {
  const std::string lua = transform("event.event = 'changed' event.x = 2 event.p.y = 3 error('no')");
  const auto chain = [&](OnError on_error) {
    return TestChain(std::vector<TestApp>{{.name = "before", .lua = transform("event.z = 0 return event")},
                                          {.name = "bad", .lua = lua, .on_error = on_error},
                                          {.name = "after", .lua = transform("event.e = app.facts().event return event")}});
  };
  const std::string in = R"({"event":"signup","x":1.0,"p":{}})";
  CHECK(chain(OnError::dead_letter).run(in, true) == "error: app.lua:3: no");
  CHECK(chain(OnError::drop).run(in, true) == "drop");
  CHECK(chain(OnError::pass).run(in, true) == R"({"event":"signup","x":1.0,"p":{},"z":0,"e":"signup"})");
}

TEST_CASE("a part kept beyond its event is dead, never another event's") {
  const char* const attacks[] = {
      "local x = kept and kept.a kept = event return event",
      "local x = kept and kept.a kept = event.p return event",
      "if kept then kept.a = 1 end kept = event return event",
      "if kept then event.x = kept end kept = event.p return event",
      "if kept then return kept end kept = event return event",
      "if kept then return {event, kept} end kept = event return event",
      "if kept then return #kept end kept = event.p return event",
      "if kept then for k in pairs(kept) do end end kept = event return event",
      "if kept then tostring(kept) end kept = event return event",
      "if kept then kept() end kept = coroutine.wrap(function() coroutine.yield() return event.a end) kept() return event",
      "if kept then app.log(kept:facts().uuid) end kept = event return event",
      "if kept then return kept() end kept = function() return event.a end return event",
  };
  for (const std::string body : attacks) {
    CAPTURE(body);
    TestChain chain(std::vector<TestApp>{{.lua = "local kept\n" + transform(body)}});
    CHECK(chain.run(R"({"a":"first","p":{"a":1}})") == R"({"a":"first","p":{"a":1}})");
    CHECK(has(chain.run(R"({"a":"second","p":{"a":2}})"), "belongs to an event that is over"));
  }
}

TEST_CASE("apps cannot reach each other, and globals stay as they were loaded") {
  TestChain chain(std::vector<TestApp>{
      {.name = "a", .lua = "shared = 1 function helper() return 7 end\n" + transform("event.a = helper() return event")},
      {.name = "b", .lua = transform("event.b = tostring(shared) return event")},
      {.name = "c", .lua = transform("shared = 2 return event")}});
  CHECK(chain.run("{}") == "error: app.lua:3: this table is read-only (field 'shared'); use a local variable");
  CHECK(chain.out.app == "c");
  TestChain without_c(std::vector<TestApp>{{.name = "a", .lua = "shared = 1\n" + transform("event.a = shared return event")},
                                           {.name = "b", .lua = transform("event.b = tostring(shared) return event")}});
  CHECK(without_c.run("{}") == R"({"a":1,"b":"nil"})");
}

TEST_CASE("after a limit the next event finds a fresh state") {
  struct Case {
    std::string lua;
    std::string code;
  };
  const Case cases[] = {
      {"while true do pcall(function() while true do end end) end", "app_instruction_limit"},
      {"local t = {} while true do t[#t + 1] = {t} end", "app_memory_limit"},
      {"for i = 1, 1e9 do event['k' .. i] = i end", "app_instruction_limit"},
      {"for i = 1, 1e9 do event.x = ('x'):rep(100000) end", "app_instruction_limit"},
      {"while true do event.x = event.p end", "app_instruction_limit"},
      {"while true do local s = tostring(event) end", "app_instruction_limit"},
      {"while true do app.sha256(('x'):rep(10000)) end", "app_instruction_limit"},
      {"for i = 1, 1e9 do table.insert(event.list, 1, i) end", "app_instruction_limit"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.lua);
    TestApp app{.lua = "local seen = 0\n" +
                       transform("seen = seen + 1 event.seen = seen if event.bad then " + c.lua + " end return event")};
    app.limits.instructions = 300'000;
    app.limits.memory = 4_MiB;
    if (c.code == "app_memory_limit") app.limits.instructions = 100'000'000;
    TestChain chain(app);
    CHECK(chain.run("{}") == R"({"seen":1})");
    CHECK(chain.run("{}") == R"({"seen":2})");
    CHECK(has(chain.run(R"({"bad":1,"p":{"x":1},"list":[]})"), "limit of"));
    CHECK(chain.out.code == c.code);
    CHECK(chain.run("{}") == R"({"seen":1})");
    CHECK(chain.chain->counters(0).instruction_stops + chain.chain->counters(0).memory_stops == 1);
  }
}

TEST_CASE("settings are typed, read-only and in the order of the file") {
  TestApp app{.lua = transform(
                  "local s = app.settings local keys = '' for k, v in pairs(s.map) do keys = keys .. k .. tostring(v) end "
                  "return {keys = keys, n = #s.list, i = math.type(s.i), f = math.type(s.f), t = s.t, d = s.d, none = "
                  "s.none == nil, "
                  "list = s.list, map = s.map, first = next(s.map), joined = table.concat(s.list, ',')}")};
  app.settings_yaml =
      "settings: {map: {type: map}, list: {type: list}, i: {type: integer}, f: {type: number}, t: {type: string}, "
      "d: {type: boolean, default: true}, none: {type: any}}";
  app.with = yaml("{map: {z: 1, a: x, m: 2.0}, list: [3, b], i: 5, f: 1, t: 007}");
  TestChain chain(app);
  CHECK(problems_of(chain) == "");
  CHECK(chain.run("{}") ==
        R"({"d":true,"f":"float","first":"z","i":"integer","joined":"3,b","keys":"z1axm2.0","list":[3,"b"],)"
        R"("map":{"a":"x","m":2.0,"z":1},"n":2,"none":true,"t":"007"})");
  for (const char* write : {"app.settings.t = 1", "app.settings.map.z = 1", "app.settings.list[1] = 1", "app.x = 1",
                            "table.insert(app.settings.list, 1)", "rawset(app.settings, 't', 1)", "app.time.parse = nil"}) {
    CAPTURE(write);
    app.lua = transform(write);
    TestChain writing(app);
    CHECK(has(writing.run("{}"), "read-only"));
  }
}

TEST_CASE("wrong settings are told with place and suggestion, all at once") {
  TestApp app{.lua = transform("return event")};
  app.settings_yaml =
      "settings: {fields: {type: list, required: true, doc: What to hash.}, mode: {type: string, choices: [a, b]}, "
      "n: {type: integer}, key: {type: integer, secret: true}}";
  app.with = yaml("{feilds: [a], mode: c, n: \"5\", key: hunter2}");
  const std::string text = problems_of(TestChain(app));
  CHECK(has(text, "test.yaml:1:2: app.with: unknown setting of app app 'feilds', did you mean 'fields'?"));
  CHECK(has(text, "expected one of a, b, got \"c\""));
  CHECK(has(text, "app.with.n: expected an integer, got \"5\""));
  CHECK(has(text, "app.with.key: expected an integer, got ***"));
  CHECK(has(text, "missing required setting 'fields': What to hash."));
}

TEST_CASE("what is wrong with an app is told when it is loaded") {
  struct Case {
    std::string lua;
    std::string message;
  };
  const Case cases[] = {
      {"local M = {}\nfunction M.transform(event\nreturn M", "app.lua:3:"},
      {"return 5", "must return a table with a function `transform`"},
      {"return {}", "must return a table with a function `transform`"},
      {"error('at load')", "app.lua:1: at load"},
      {"while true do end", "instruction limit"},
      {"local x = event.y return {}", "index a nil value (global 'event')"},
      {"require('missing')", "module 'missing' is not in the app's folder"},
      {"require('../b/app')", "is not in the app's folder"},
      {"require('app')", "requires itself"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.lua);
    CHECK(has(problems_of(TestChain(std::vector<TestApp>{{.lua = c.lua}})), c.message));
  }
}

TEST_CASE("require finds modules of the app's own folder") {
  const TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", "local text = require('lib.text')\nassert(text == require('lib.text'))\n" +
                              transform("event.x = text.double(event.x) return event"));
  folder.write("lib/text.lua", "return {double = function(s) return s .. s end}");
  AppEntry entry;
  entry.folder = folder.path();
  config::Problems problems;
  const auto plan = plan_chain({entry}, problems);
  REQUIRE(plan != nullptr);
  auto chain = Chain::make(plan).value();
  json::Validator validator;
  json::ObjectIndex index;
  REQUIRE(validator.validate(R"({"x":"ab"})", index));
  Transformed out;
  chain->run(index, test_facts(), false, out);
  CHECK(out.events[0].body == R"({"x":"abab"})");
  folder.write("lib/text.lua", "return {double = function(s) return s end}");
  CHECK(plan_chain({entry}, problems)->version != plan->version);
}

TEST_CASE("the app table: time, uuids, log") {
  TestChain chain(std::vector<TestApp>{
      {.lua = transform(
           "app.log('warning', 'careful') app.log('plain') print('a', 1) "
           "return {now = app.now(), same = app.uuid() ~= app.uuid(), u = app.uuid(), iso = app.time.format(app.now()), "
           "ms = app.time.parse('2026-08-01T10:00:00Z'), none = app.time.parse('x') == nil, h = app.sha256('')}")}});
  const std::string first = chain.run("{}");
  CHECK(has(first, "\"now\":1700000002000"));
  CHECK(has(first, "\"iso\":\"2023-11-14T22:13:22.000Z\""));
  CHECK(has(first, "\"ms\":1785578400000"));
  CHECK(has(first, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(chain.logged == "app: careful\napp: plain\napp: a\t1\n");
  CHECK(chain.run("{}") == first);
}

TEST_CASE("the log is rate-limited, and says what it left out") {
  TestChain chain("for i = 1, 500 do app.log('line ' .. i) end return event");
  chain.clock.advance(Duration{60'000});
  chain.run("{}");
  CHECK(std::ranges::count(chain.logged, '\n') == 100);
  chain.clock.advance(Duration{100});
  chain.run("{}");
  CHECK(has(chain.logged, "line 1 (400 lines before it were left out"));
}

TEST_CASE("an app that hits a limit with every event logs no more than others") {
  TestChain chain("for i = 1, 50 do app.log('line') end while true do end");
  chain.clock.advance(Duration{60'000});
  for (int i = 0; i < 5; ++i) chain.run("{}");
  CHECK(std::ranges::count(chain.logged, '\n') <= 101);
}

TEST_CASE("an error carries a traceback within the app") {
  TestChain chain(std::vector<TestApp>{
      {.lua = "local function mask(e)\n  return e.x.y\nend\n" + transform("mask(event) return event")}});
  CHECK(chain.run("{}") == "error: app.lua:2: attempt to index a nil value (field 'x')");
  CHECK(chain.out.traceback == "app.lua:2: in function 'mask'\napp.lua:6: in the function at line 5");
}

TEST_CASE("a condition on its own answers for event after event") {
  auto condition = Condition::compile("event.properties.plan ~= 'free' and facts.event == 'signup'").value();
  const auto eval = [&](const std::string& body) { return condition.eval(body, test_facts()); };
  CHECK(eval(R"({"properties":{"plan":"pro"}})").value());
  CHECK_FALSE(eval(R"({"properties":{"plan":"free"}})").value());
  CHECK(has(eval("{}").error().message, "when:1: attempt to index a nil value (field 'properties')"));
  CHECK(eval(R"({"properties":{"plan":"pro"}})").value());
  auto null = Condition::compile("event.x").value();
  CHECK_FALSE(null.eval(R"({"x":null})", test_facts()).value());
  auto endless = Condition::compile("(function() while true do end end)()", {.instructions_max = 10'000}).value();
  CHECK(endless.eval("{}", test_facts()).error().kind == ErrorKind::limit);
  CHECK(endless.eval("{}", test_facts()).error().kind == ErrorKind::limit);
  CHECK(has(null.eval(R"({"x)", test_facts()).error().message, "stored JSON is damaged"));
  auto of_facts = Condition::compile("facts.event == 'signup'").value();
  CHECK(of_facts.eval("never looked at", test_facts()));
  CHECK(Condition::compile("event.").error().kind == ErrorKind::invalid);
}

TEST_CASE("an event filter knows names and globs") {
  struct Case {
    std::vector<std::string> patterns;
    std::string event;
    bool takes;
  };
  const Case cases[] = {{{}, "x", true},
                        {{"a"}, "a", true},
                        {{"a"}, "ab", false},
                        {{"a*"}, "a", true},
                        {{"a*"}, "abc", true},
                        {{"*c"}, "abc", true},
                        {{"a*c"}, "abcbc", true},
                        {{"a*c"}, "abcb", false},
                        {{"*"}, "", true},
                        {{"a**b"}, "ab", true},
                        {{"x", "$p*"}, "$pv", true},
                        {{"a.c"}, "abc", false},
                        {{"*a*a*a*b"}, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}};
  for (const Case& c : cases) {
    CAPTURE(c.event);
    CHECK(EventFilter(c.patterns).takes(c.event) == c.takes);
  }
}

TEST_CASE("entries of a chain are read from YAML, with every problem at its place") {
  const TempFolder folder;
  folder.write("plugins/hash/app.yaml",
               "name: hash\nversion: 1.0.0\nsummary: A test.\nsettings: {f: {type: list, required: true}}\n");
  folder.write("plugins/hash/app.lua", transform("return event"));
  folder.write("mine/app.yaml", "name: mine\nversion: 1.0.0\nsummary: A test.\n");
  const AppFolders folders{folder.path(), {folder.path() + "/plugins"}};
  config::Problems problems;
  const auto good = read_app_entries(
      yaml("[{use: hash, with: {f: [a]}, events: [x], when: event.a, on_error: pass}, {use: ./mine, name: m}]"), "apps",
      folders, problems);
  CHECK(problems.empty());
  REQUIRE(good.size() == 2);
  CHECK(good[0].on_error == OnError::pass);
  CHECK(good[1].folder == folder.path() + "/mine");
  read_app_entries(yaml("[{use: hsh}, {use: hash, with: {g: 1}}, {use: ./none}, {with: {}}, {use: hash, wen: x}]"), "apps",
                   folders, problems);
  std::string text;
  for (const auto& problem : problems) text += problem.to_string() + "\n";
  for (const char* part : {"unknown app 'hsh', did you mean 'hash'?", "unknown setting of app hash 'g'",
                           "missing required setting 'f'", "there is no app in", "missing required field 'use'", "'wen'"}) {
    CAPTURE(part);
    CHECK(has(text, part));
  }
}

TEST_CASE("reading a text that is full of escapes is paid by its bytes") {
  std::string escapes;
  for (int i = 0; i < 20'000; ++i) escapes += "\\u0001";
  const std::string body = R"({"plain":")" + std::string(escapes.size(), 'x') + R"(","escaped":")" + escapes + R"("})";
  for (const auto& [field, stops] : {std::pair{"plain", 0}, std::pair{"escaped", 1}}) {
    CAPTURE(field);
    TestApp app{.lua = transform("for _ = 1, 20 do local text = event." + std::string(field) + " end return event")};
    app.limits.instructions = 500'000;
    TestChain chain(app);
    chain.run(body);
    CHECK(chain.chain->counters(0).instruction_stops == static_cast<std::uint64_t>(stops));
  }
}
