#include "pipeline/scripting/check/app_check.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "pipeline/scripting/check/known_names.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

// What is found in an app with the settings `limit` and `names`, a line each, without the folder.
std::string found_in(const std::string& lua, const std::string& module = "") {
  const testing::TempFolder folder;
  folder.write("a/app.yaml",
               "name: a\nversion: 1.0.0\nsummary: A test.\nsettings:\n  limit: { type: integer, default: 1, doc: x }\n"
               "  names: { type: list, default: [], doc: x }\n");
  folder.write("a/app.lua", lua);
  if (!module.empty()) folder.write("a/lib/text.lua", module);
  folder.write("a/cases.yaml", "[]\n");
  std::string all;
  for (const Finding& finding : check_app(folder.path() + "/a"))
    all += finding.to_string().substr(folder.path().size() + 3) + "\n";
  return all;
}

std::string in_transform(const std::string& body) {
  return found_in("local M = {}\nfunction M.transform(event, app)\n  local _ = app.settings.limit, app.settings.names\n" +
                  body + "\n  return event\nend\nreturn M\n");
}

}  // namespace

TEST_CASE("mistakes are found where they stand") {
  const struct {
    const char* body;
    const char* found;
  } table[] = {
      {"propertes = 1",
       "app.lua:4:1: 'propertes' is assigned as a global, which fails once the app is loaded: declare it with `local`\n"},
      {"event.x = tosting(1)", "app.lua:4:11: there is no global 'tosting', did you mean 'tostring'?\n"},
      {"event.t = os.time()",
       "app.lua:4:11: there is no global 'os' here: app.now() is the time, app.time reads and writes times\n"},
      {"event.s = string.uper('a')", "app.lua:4:18: there is no string.uper, did you mean 'string.upper'?\n"},
      {"string.x = 1", "app.lua:4:8: the library 'string' is read-only\n"},
      {"print = nil", "app.lua:4:1: the global 'print' is read-only\n"},
      {"app.state.incr('n')", "app.lua:4:5: app.state needs a permission: add `permissions: { state: true }` to app.yaml\n"},
      {"event.h = app.sha265('x')", "app.lua:4:15: there is no app.sha265, did you mean 'app.sha256'?\n"},
      {"event.h = app['sha265']('x')", "app.lua:4:15: there is no app.sha265, did you mean 'app.sha256'?\n"},
      {"event.t = app.time.pares('x')", "app.lua:4:20: there is no app.time.pares, did you mean 'app.time.parse'?\n"},
      {"app:log('x')", "app.lua:4:5: app:log() would give `app` as the first argument: write app.log()\n"},
      {"app.x = 1", "app.lua:4:5: `app` is read-only\n"},
      {"event.l = app.settings.limt", "app.lua:4:24: there is no setting 'limt', did you mean 'limit'?\n"},
      {"event.l = app.settings.quite_another",
       "app.lua:4:24: there is no setting 'quite_another'; app.yaml declares limit, names\n"},
      {"app.settings.limit = 2", "app.lua:4:14: app.settings is read-only\n"},
      {"local s = app.settings\nevent.l = s.limt", "app.lua:5:13: there is no setting 'limt', did you mean 'limit'?\n"},
      {"local time = app.time\nevent.l = time.pares('')",
       "app.lua:5:16: there is no app.time.pares, did you mean 'app.time.parse'?\n"},
      {"local function f(a)\n  return a.settings.limt\nend\nevent.l = f(app)",
       "app.lua:5:21: there is no setting 'limt', did you mean 'limit'?\n"},
      {"x = =", "app.lua:4:1: unexpected symbol near '='\n"},
  };
  for (const auto& row : table) {
    CAPTURE(row.body);
    CHECK(in_transform(row.body) == row.found);
  }
}

TEST_CASE("ordinary code gives no findings") {
  for (const auto* body : {
           "local app = { foo = 1 }\n  event.x = app.foo",                         // another app
           "for app in pairs(event) do\n  event.x = app.foo\nend",                  // and another
           "local function f(app)\n  return app.name\nend\nevent.x = f(event.app)",  // and another
           "local function f(app)\n  return app.name\nend\nevent.x = f(app) or f(event)",
           "local s = app.settings\ns = event\nevent.x = s.foo",
           "local function f(a, n)\n  if n > 0 then return f(a, n - 1) end\n  return a.settings.limit\nend\nevent.x = "
           "f(app, 3)",
           "event.time = app.time.format(app.now())\nevent.f = event:facts().uuid",
           "local text = [[os.time() -- ]]\n-- os.time()\nevent.x = text",
           "local t = { os = 1, io = { load = 2 } }\nevent.x = t.os + t.io.load",
           "goto done\n::done::",
           "local ok <const>, err = pcall(error, 'x')\nevent.x = err",
           "repeat local done = true until done",
           "local n = 0\nwhile n < 3 do n = n + 1 if n == 2 then break end end",
           "event.x = _G.string ~= nil and #('x'):rep(3) // 1 ~ 2",
           "local _ENV = { a = 1 }",
           "event.x = ({ math.floor, string.format })[1](1.5)",
           "local function v(...)\n  local a, b = ...\n  return select('#', ...), a, b\nend\nevent.x = v(1, 2)",
           "event.x = app.settings['limit']\nfor _, n in ipairs(app.settings.names) do event[n] = nil end",
           "do return { event, { event = 'x' } } end",
       }) {
    CAPTURE(body);
    CHECK(in_transform(body) == "");
  }
}

TEST_CASE("the transform function is found however it is written") {
  for (const auto* lua : {
           "return { transform = function(e, a) e.x = a.nope() return e end }",
           "local function transform(e, a) e.x = a.nope() return e end\nreturn { transform = transform }",
           "local M = {}\nM.transform = function(e, a) e.x = a.nope() return e end\nreturn M",
           "local M = {}\nlocal function go(e, a) e.x = a.nope() return e end\nM.transform = go\nreturn M",
           "local M = {}\nfunction M.transform(e) e.x = app.nope() return e end\nreturn M",
       }) {
    CAPTURE(lua);
    CHECK(found_in(lua).find("there is no app.nope") != std::string::npos);
  }
}

TEST_CASE("modules are read too, and what they define is known") {
  const std::string app =
      "local text = require('lib.text')\nreturn { transform = function(e, a) text.f(e) return shared(e, a) end }";
  const std::string found = found_in(app, "function shared(e) return e end\nreturn { f = function(e) e.x = nope end }\n");
  CHECK(found.find("lib/text.lua:1:10: hint: 'shared' becomes a global") != std::string::npos);
  CHECK(found.find("lib/text.lua:2:32: there is no global 'nope'") != std::string::npos);
  CHECK(found.find("app.lua:") == std::string::npos);
}

TEST_CASE("a setting that nothing mentions is a hint, unless settings go where nobody can follow") {
  const std::string head = "return { transform = function(e, a) local l = a.settings.limit ";
  CHECK(found_in(head + "return e end }") == "app.yaml:6:3: hint: the setting 'names' is declared and never used\n");
  CHECK(found_in(head + "for k in pairs(a.settings) do e[k] = l end return e end }").empty());
  CHECK(found_in(head + "e.x = a.settings[e.name] return e end }").empty());
  CHECK(found_in(head + "return other(a) end }\nfunction other(a) return a end").find("names") == std::string::npos);
  CHECK(found_in(head + "e.x = a.settings['na' .. 'mes'] return e end }").empty());
}

TEST_CASE("what cases and app.yaml say is checked") {
  const testing::TempFolder folder;
  folder.write("a/app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\nsettings:\n  n: { type: integer, defualt: 1 }\n");
  folder.write("a/app.lua", testing::transform("return event"));
  folder.write("a/cases.yaml", "- { name: x, in: {}, out: drop, wiht: {} }\n");
  std::string all;
  for (const Finding& finding : check_app(folder.path() + "/a")) all += finding.to_string() + "\n";
  CHECK(all.find("app.yaml:5:23: settings.n: unknown field 'defualt', did you mean 'default'?") != std::string::npos);
  CHECK(all.find("cases.yaml:1:33: cases[0] (x): unknown field 'wiht', did you mean 'with'?") != std::string::npos);
  folder.write("a/app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\nsettings:\n  n: { type: integer, doc: x }\n");
  folder.write("a/app.lua", testing::transform("event.n = app.settings.n return event"));
  folder.write("a/cases.yaml",
               "- { name: x, with: { m: 1 }, in: {}, out: drop }\n- { name: y, with: { n: x }, in: {}, out: drop }\n");
  const auto findings = check_app(folder.path() + "/a");
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].at.line == 1);
  CHECK(findings[0].at.column == 22);
  CHECK(findings[1].message.find("expected an integer") != std::string::npos);
}

TEST_CASE("an app that cannot be loaded is told with the line") {
  for (const auto& [lua, says] : std::vector<std::pair<std::string, std::string>>{
           {"local M = {}\nfunction M.transform(event) return event end\n", "app.lua must return a table"},
           {"local M = {}\nM.expression = app.regex('(')\nreturn M\n", "app.lua:2:1: "},
           {"local text = require('nowhere')\nreturn { transform = text.f }\n", "app.lua:1:1: module 'nowhere' is not in"},
       }) {
    CAPTURE(lua);
    const std::string found = found_in(lua);
    CAPTURE(found);
    CHECK(found.find(says) != std::string::npos);
  }
}

TEST_CASE("nothing is wrong with the apps in the tree") {
  for (const auto& entry : std::filesystem::directory_iterator("plugins")) {
    if (!entry.is_directory()) continue;
    for (const Finding& finding : check_app(entry.path().string())) FAIL_CHECK(finding.to_string());
  }
}

TEST_CASE("the names of the sandbox are those that a script finds") {
  const KnownNames known = known_names().value();
  for (const auto* name : {"print", "require", "pcall", "string", "table", "math", "utf8", "coroutine", "_G", "app"}) {
    CAPTURE(name);
    CHECK(known.globals.contains(name));
  }
  CHECK_FALSE(known.globals.contains("os"));
  CHECK(known.globals.at("string").contains("format"));
  CHECK(known.app.contains("sha256"));
  CHECK(known.app_has_group("time"));
  CHECK_FALSE(known.app_has_group("tim"));
}
