#include <doctest/doctest.h>

#include <chrono>
#include <lua.hpp>
#include <stdexcept>
#include <string>

#include "pipeline/scripting/vm/vm.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

struct Ended {
  bool returned = false;
  std::string value;  // what it returned, as text
  ScriptFailure failure;
  bool spent = false;
};

Ended run(const std::string& script, Limits limits = {}) {
  auto vm = Vm::create(limits).value();
  vm->freeze_globals();
  Ended ended;
  if (const auto compiled = vm->compile(script, "app.lua"); !compiled) {
    ended.failure.message = compiled.error().message;
    return ended;
  }
  ended.returned = vm->call(0, 1);
  if (ended.returned) {
    const char* text = lua_tostring(vm->state(), -1);
    ended.value = text != nullptr ? text : lua_typename(vm->state(), lua_type(vm->state(), -1));
  } else {
    ended.failure = vm->failure();
  }
  ended.spent = vm->spent();
  return ended;
}

// Small enough that a sanitized build is over soon, large enough for the library.
Limits small() { return Limits{.memory_max = 8_MiB, .instructions_max = 300'000, .time_max = Duration{20'000}}; }

}  // namespace

TEST_CASE("a script that goes too far in one step gets an error it may catch") {
  struct Case {
    std::string script;
    std::string message;
  };
  const Case cases[] = {
      {"return ('x'):rep(1 << 40)", "longer than 16 MiB"},
      {"return ('x'):rep(1 << 62, 'yy')", "longer than 16 MiB"},
      {"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop"},
      {"return table.unpack({}, 1, 2000000)", "too many results"},
      {"return setmetatable({}, {__gc = function() end})", "__gc is not available"},
      {"string.upper = nil", "read-only"},
      {"x = 1", "read-only"},
      {"_G.x = 1", "read-only"},
      {"rawset(_G, 'x', 1)", "read-only"},
      {"rawset(string, 'upper', 1)", "read-only"},
      {"table.insert(table, 1)", "read-only"},
      {"setmetatable(_G, nil)", "protected metatable"},
      {"setmetatable('', {})", "table expected"},
      {"getmetatable('').__index = nil", "index a boolean value"},
      {"coroutine.yield()", "outside a coroutine"},
      {"return 1 + {}", "arithmetic on a table"},
      {"error({})", "error value is a table"},
      {"error()", "error value is a nil"},
      {"error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.script);
    const Ended ended = run(c.script);
    CHECK_FALSE(ended.returned);
    CHECK(ended.failure.stop == Stop::none);
    CHECK_FALSE(ended.spent);
    CHECK(ended.failure.message.find(c.message) != std::string::npos);
    INFO(ended.failure.message);
  }
}

TEST_CASE("nothing that reaches outside is there") {
  for (const char* name : {"io", "os", "debug", "package", "load", "loadstring", "loadfile", "dofile", "collectgarbage",
                           "require", "print", "warn", "string.dump", "math.random", "math.randomseed", "coroutine.close"}) {
    CAPTURE(name);
    CHECK(run(std::string("return type(") + name + ")").value == "nil");
  }
  CHECK(run("\x1bLua").failure.message.find("attempt to load a binary chunk") != std::string::npos);
}

TEST_CASE("what remains works as the manual says") {
  struct Case {
    std::string script;
    std::string value;
  };
  const Case cases[] = {
      {"return select('#', pcall(error, 'x'))", "2"},
      {"local ok, e = pcall(error, 'x', 0) return tostring(ok) .. e", "falsex"},
      {"return (select(2, xpcall(error, function(e) return e .. '!' end, 'x')))", "x!"},
      {"return (select(3, xpcall(function(...) return ... end, print or type, 1, 2)))", "2"},
      {"local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return co(1) + co(5)",
       "12"},
      {"local co = coroutine.create(error) local ok, e = coroutine.resume(co, 'x') return tostring(ok) .. e", "falsex"},
      {"local co = coroutine.create(function() pcall(coroutine.yield, 7) return 8 end) "
       "local _, a = coroutine.resume(co) local _, b = coroutine.resume(co) return a + b",
       "15"},
      {"local co = coroutine.create(function() end) coroutine.resume(co) return (select(2, coroutine.resume(co)))",
       "cannot resume dead coroutine"},
      {"return ('ab'):rep(3, '-')", "ab-ab-ab"},
      {"return ('').rep('', 1 << 62)", ""},
      {"return table.concat({1, 2, 3}, ',')", "1,2,3"},
      {"local t = {3, 1, 2} table.sort(t) return table.concat(t)", "123"},
      {"local t = {1, 3} table.insert(t, 2, 2) table.remove(t, 1) return table.concat(t)", "23"},
      {"local n = 0 for k, v in pairs(string) do n = n + 1 end return n > 10", "boolean"},
      {"return type(next(string))", "string"},
      {"return tostring(getmetatable(''))", "false"},
      {"return rawequal(_G._G, _G)", "boolean"},
      {"local t = rawset({}, 'a', 1) return t.a", "1"},
      {"return ('%5.1f|%s'):format(3.14159, 'x')", "  3.1|x"},
      {"return 9007199254740993 + 0", "9007199254740993"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.script);
    const Ended ended = run(c.script);
    CAPTURE(ended.failure.message);
    CHECK(ended.returned);
    CHECK(ended.value == c.value);
  }
}

TEST_CASE("an error names line and frames") {
  const Ended ended =
      run("local function inner(t)\n  return t.a.b\nend\nlocal function outer() return (inner({})) end\nreturn (outer())");
  CHECK(ended.failure.message == "app.lua:2: attempt to index a nil value (field 'a')");
  CHECK(ended.failure.traceback ==
        "app.lua:2: in function 'inner'\napp.lua:4: in function 'outer'\napp.lua:5: in the function at line 0");
}

TEST_CASE("a stop says which limit, where, and how to raise it") {
  constexpr const char* kHow = "; raise it, if that is meant, with limits: ";
  const auto check = [&](const std::string& script, const std::string& message, const std::string& traceback) {
    CAPTURE(script);
    const Ended ended = run(script, Limits{.memory_max = 1_MiB, .instructions_max = 300'000});
    CHECK(ended.failure.message.starts_with(message + kHow));
    CHECK(ended.failure.traceback == traceback);
  };
  const std::string place = "app.lua:2: in the function at line 0";
  check("local x = 1\nwhile true do\nend", "app.lua:2: instruction limit of 300000 reached", place);
  check("\ntable.move({}, 1, 1 << 60, 2)", "app.lua:2: instruction limit of 300000 reached", place);
  check("local s = ('a'):rep(100000)\ns:find(('.-'):rep(5) .. 'x')", "app.lua:2: instruction limit of 300000 reached",
        place);
  check("local s = ('a'):rep(1 << 18)\nlocal t = s .. s .. s .. s .. s", "app.lua:2: memory limit of 1MiB reached", place);
  check("local function grow(s)\n  while true do s = s .. s end\nend\npcall(grow, 'x')",
        "app.lua:2: memory limit of 1MiB reached",
        "app.lua:2: in the function at line 1\napp.lua:4: in the function at line 0");
  check("coroutine.wrap(function()\n  while true do end end)()", "app.lua:2: instruction limit of 300000 reached",
        "app.lua:2: in the function at line 1");
  CHECK(
      run("local s = 'x' while true do s = s .. s end", Limits{.memory_max = 8_MiB}).failure.message ==
      "app.lua:1: memory limit of 8MiB reached; raise it, if that is meant, with limits: {memory: …} in app.yaml or at the "
      "chain's entry");
}

TEST_CASE("time is checked too") {
  Limits limits{.memory_max = 8_MiB, .instructions_max = 1'000'000'000'000, .time_max = Duration{20}};
  CHECK(run("while true do end", limits).failure.stop == Stop::time);
  // What takes long inside of C functions is noticed between them, not only a thousand instructions later.
  CHECK(run("local s = ('a'):rep(3000) while true do s:find('.-b') end", limits).failure.stop == Stop::time);
}

TEST_CASE("what takes longer than its instructions is charged, when no clock says so") {
  struct Still final : Clock {
    Timestamp now() const override { return {}; }
    SteadyTime steady() const override { return {}; }
  } still;
  for (const char* script : {
           "local s = ('\\0'):rep(30000) local t = s .. 'b' for i = 1, 50 do local x = s < t end",
           "local s = ('\\0'):rep(30000) local t = s .. 'b' for i = 1, 50 do local x = s <= t end",
           "local s = ('a'):rep(60000) local t = s .. 'b' for i = 1, 100 do local x = s < t end",
           "local s = ('\\0'):rep(30000) local t = s .. 'b' for i = 1, 50 do pcall(function() return s < t end) end",
           "local s = ('\\0'):rep(30000) local l = {} for i = 1, 8 do l[i] = s .. i end "
           "table.sort(l, function(a, b) return a < b end)",
           "local l = {} for i = 1, 8 do l[i] = ('a'):rep(60000) .. i end for i = 1, 20 do table.sort(l) end",
           "local l = {} for i = 1, 20 do l[i] = ('a'):rep(40000) .. i end for i = 1, 20 do table.sort(l) end",
           "local s = '[' .. ('a-z'):rep(20000) .. ']' for i = 1, 4 do local x = ('x'):find(s) end",
           "for i = 1, 40000 do coroutine.running() end",
           "local c = coroutine.create(type) for i = 1, 40000 do coroutine.status(c) end",
           "for i = 1, 50000 do type(i) end",
       }) {
    CAPTURE(std::string(script));
    auto vm = Vm::create(small(), still).value();
    REQUIRE(vm->compile(script, "app.lua"));
    CHECK_FALSE(vm->call(0, 0));
    CHECK(vm->failure().message.starts_with("app.lua:1: instruction limit of 300000 reached"));
    CHECK(vm->spent());
  }
}

TEST_CASE("a memory limit too small for the library is an error, not a crash") {
  for (const std::uint64_t bytes : {0, 1000, 10'000})
    CHECK(Vm::create(Limits{.memory_max = Bytes{bytes}}).error().kind == ErrorKind::limit);
}

TEST_CASE("garbage is collected before the limit is declared reached") {
  Limits limits = small();
  limits.instructions_max = 100'000'000;
  CHECK(run("local n = 0 for i = 1, 200000 do local t = {i, i, i, tostring(i)} n = n + #t end return n", limits).value ==
        "800000");
}

TEST_CASE("lines are told as they run, in coroutines too, and limits still hold") {
  auto vm = Vm::create(small()).value();
  std::string told;
  vm->on_line([&](std::string_view source, int line) { told += std::string(source) + ':' + std::to_string(line) + ' '; });
  REQUIRE(vm->compile("local a = 1\n\nlocal co = coroutine.wrap(function()\n  a = 2\nend)\nco()", "app.lua"));
  REQUIRE(vm->call(0, 0));
  CHECK(told == "app.lua:1 app.lua:3 app.lua:5 app.lua:3 app.lua:6 app.lua:4 app.lua:5 ");
  REQUIRE(vm->compile("while true do\nend", "app.lua"));
  CHECK_FALSE(vm->call(0, 0));
  CHECK(vm->failure().stop == Stop::instructions);
}

TEST_CASE("what is kept from call to call ends at the memory limit, and the calls before that are quick") {
  auto vm = Vm::create(small()).value();
  REQUIRE(vm->compile("local kept = {} return function() for i = 1, 2000 do kept[#kept + 1] = {i} end return #kept end",
                      "app.lua"));
  REQUIRE(vm->call(0, 1));
  int calls = 0;
  for (; calls < 1000; ++calls) {
    lua_pushvalue(vm->state(), -1);
    if (!vm->call(0, 1)) break;
    lua_pop(vm->state(), 1);
  }
  CHECK(calls > 20);
  CHECK(vm->failure().stop == Stop::memory);
  CHECK(vm->failure().message.starts_with("app.lua:1: memory limit of 8MiB reached"));
}

TEST_CASE("a stack that grows while operators call functions of the script") {
  // Lua 5.4.4 went on with the old stack after a __concat; at which depth that shows depends on the room that is left.
  const std::string script = R"(
    local rope = {}
    local function grown(n) if n == 0 then return 0 end return 1 + grown(n - 1) end
    rope.__concat = function(a, b)
      grown(60)
      return setmetatable({text = (a.text or a) .. (b.text or b)}, rope)
    end
    local function of(text) return setmetatable({text = text}, rope) end
    local function at(depth)
      if depth > 0 then
        local text = at(depth - 1)
        return text
      end
      return (of("a") .. "b" .. of("c") .. "d" .. "e" .. of("f") .. "g").text
    end
    local count = 0
    for depth = 0, 60 do
      for _ = 1, 2 do
        local made = coroutine.wrap(at)(depth)
        if made ~= "abcdefg" then error("at " .. depth .. ": " .. tostring(made)) end
        count = count + 1
      end
    end
    return count)";
  const Ended ended = run(script);
  CHECK_MESSAGE(ended.returned, ended.failure.message);
  CHECK(ended.value == "122");
}

TEST_CASE("filling the memory with one size of texts after another takes no more pages than with one") {
  Limits limits = small();
  limits.instructions_max = 1'000'000'000;
  auto vm = Vm::create(limits).value();
  REQUIRE(
      vm->compile("local kept return function(size) kept = {} local pad = ('x'):rep(size - 33) "
                  "for i = 1, 4000000 // (size + 16) do kept[i] = ('%08d'):format(i) .. pad end end",
                  "app.lua"));
  REQUIRE(vm->call(0, 1));
  for (int size = 48; size <= 256; size += 16) {
    CAPTURE(size);
    lua_pushvalue(vm->state(), -1);
    lua_pushinteger(vm->state(), size);
    REQUIRE(vm->call(1, 0));
    CHECK(vm->memory_held() <= CappedAllocator::held_max(small().memory_max.count));
  }
}

TEST_CASE("an exception of C++ that comes through Lua ends the state, and is not told as its memory limit") {
  for (const char* script : {"throws()", "pcall(throws)", "coroutine.wrap(throws)()"}) {
    CAPTURE(std::string(script));
    auto vm = Vm::create(small()).value();
    lua_pushcfunction(vm->state(), [](lua_State*) -> int { throw std::runtime_error("broken"); });
    vm->set_global("throws");
    REQUIRE(vm->compile(script, "app.lua"));
    CHECK_FALSE(vm->call(0, 0));
    CHECK(vm->spent());
    CHECK(vm->failure().message.ends_with(
        "an exception of C++ within a function: the process has no memory left, or the function failed"));
  }
}
