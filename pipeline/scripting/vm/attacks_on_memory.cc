// Scripts that grow, recurse, or are themselves too much.

#include "pipeline/scripting/vm/attacks.h"

namespace penstock::scripting {
namespace {

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

void add_growth(std::vector<Attack>& to) {
  const auto add = [&](const char* name, Stop stop, const char* script) {
    to.push_back(stopped("growth", name, stop, script));
  };
  add("string doubling", Stop::memory, "local s = 'x' while true do s = s .. s end");
  add("string doubling in a pcall", Stop::memory, "local s = 'x' while true do pcall(function() s = s .. s end) end");
  add("concatenation of many", Stop::memory, "local s = ('x'):rep(1 << 23) return s .. s .. s .. s .. s .. s .. s .. s");
  add("format doubling", Stop::instructions, "local s = 'x' while true do s = ('%s%s'):format(s, s) end");
  add("gsub doubling", Stop::instructions, "local s = 'x' while true do s = s:gsub('^.*$', '%0%0') end");
  add("gsub of every byte by much", Stop::memory, "local s = ('x'):rep(1 << 16) return (s:gsub('.', ('y'):rep(1 << 16)))");
  to.back().or_stop = Stop::instructions;  // growing a buffer is charged each time
  add("table.concat with a long separator", Stop::memory,
      "local t = {} for i = 1, 1000 do t[i] = 'x' end return table.concat(t, ('y'):rep(1 << 20))");
  to.back().or_stop = Stop::instructions;
  add("long strings kept", Stop::instructions, "local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end");
  add("many strings kept", Stop::instructions, "local t = {} for i = 1, math.huge do t[i] = ('x'):rep(100) .. i end");
  add("string keys", Stop::instructions, "local t = {} for i = 1, math.huge do t['k' .. i] = i end");
  add("tables", Stop::instructions, "local t = {} for i = 1, math.huge do t[i] = {i} end");
  add("nested tables", Stop::instructions, "local t = {} while true do t = {t} end");
  add("an array", Stop::instructions, "local t = {} while true do t[#t + 1] = 1 end");
  add("float keys", Stop::memory, "local t = {} for i = 1, math.huge do t[i + 0.5] = i end");
  to.back().or_stop =
      Stop::instructions;  // the table doubles: whether it may once more is decided just before they are used up
  add("growth in a pcall", Stop::instructions,
      "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(70000) .. #t end end) end");
  add("closures", Stop::instructions, "local f = function() end while true do local g = f f = function() return g end end");
  add("coroutines kept", Stop::instructions, "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end");
  add("coroutines with deep stacks", Stop::instructions,
      "local function f(n) if n == 0 then coroutine.yield() end return 1 + f(n - 1) end "
      "local t = {} while true do t[#t + 1] = coroutine.wrap(f) t[#t](10000) end");
  add("varargs", Stop::instructions,
      "local function f(...) return f(1, ...) end local t = {} for i = 1, 60 do t[i] = coroutine.wrap(f) pcall(t[i], "
      "table.unpack({}, 1, 200)) end");
}

void add_depth(std::vector<Attack>& to) {
  const auto error = [&](const char* name, const char* says, const char* script) {
    to.push_back(refused("depth", name, says, script));
  };
  to.push_back(stopped("depth", "recursion", Stop::instructions, "local function f() return 1 + f() end return f()"));
  error("recursion of gsub callbacks", "C stack overflow", "local function f(s) return (s:gsub('.', f)) end return f('x')");
  error("recursion of pcall", "stack overflow",
        "local function f() local ok, e = pcall(f) if not ok then error(e, 0) end return e end return f()");
  error("recursion of sort", "stack overflow", "local function f() table.sort({1, 2}, f) return false end f()");
  error("recursion of __index", "stack overflow",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k .. 'x'] end return t.x");
  error("recursion of __tostring", "stack overflow",
        "local m = {} m.__tostring = function(s) return tostring(s) end return tostring(setmetatable({}, m))");
  error("recursion of coroutines", "app.lua:1: app.lua:1: ", "local function f() return coroutine.wrap(f)() end return f()");
  error("a loop of __index tables", "loop", "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x");
  error("a long chain of __index tables", "loop",
        "local t = {} for i = 1, 3000 do t = setmetatable({}, {__index = t}) end return t.x");
  to.push_back(
      harmless("depth", "pcall, 150 deep", "done",
               "local function f(n) if n == 0 then return 'done' end return select(2, pcall(f, n - 1)) end return f(150)"));
}

void add_too_much_at_once(std::vector<Attack>& to) {
  const auto error = [&](const char* name, const char* says, const char* script) {
    to.push_back(refused("at once", name, says, script));
  };
  error("rep of a terabyte", "longer than 16 MiB", "return ('x'):rep(1 << 40)");
  error("rep whose size overflows", "longer than 16 MiB", "return ('x'):rep(1 << 62, 'yy')");
  error("unpack of millions", "too many results", "return table.unpack({}, 1, 2000000)");
  error("unpack of all integers", "too many results", "return table.unpack({}, math.mininteger, math.maxinteger)");
  error("byte of millions", "slice too long", "return (('x'):rep(1 << 21)):byte(1, -1)");
  error("a wide format", "invalid conversion", "return ('%1000d'):format(1)");
  error("packing a huge integer", "out of limits", "return string.pack('i1000', 1)");
  error("a pattern with many repetitions", "pattern too complex", "return ('a'):find(('a?'):rep(1000))");
  to.push_back(harmless("at once", "a number from a long string", "inf", "return (('1'):rep(1 << 20)) + 1"));
  to.push_back(harmless(
      "at once", "a comparator that lies", "100",
      "local t = {} for i = 1, 100 do t[i] = i % 7 end table.sort(t, function() return true end) return tostring(#t)"));
  error("move to the end of all integers", "too many elements to move",
        "table.move({1}, math.mininteger, math.maxinteger, 1)");
}

// The compiler is part of the call too: these are long sources.
void add_sources(std::vector<Attack>& to) {
  constexpr std::size_t kMuch = 1 << 19;
  const auto error = [&](const char* name, const char* says, std::string script) {
    to.push_back(refused("source", name, says, std::move(script)));
  };
  error("parentheses", "overflow", "return " + repeated("(", kMuch));
  error("braces", "overflow", "return " + repeated("{", kMuch));
  error("blocks", "overflow", repeated("do ", kMuch));
  error("functions", "overflow", repeated("return function() ", kMuch / 8));
  error("minus signs", "overflow", "return " + repeated("- ", kMuch / 2) + "1");
  error("concatenations", "overflow", "return 'x'" + repeated("..'x'", kMuch / 4));
  error("powers", "overflow", "return 1" + repeated("^1", kMuch / 2));
  error("locals", "too many local variables", repeated("local x ", 300));
  error("upvalues", "too many upvalues", [] {
    std::string script;
    for (int block = 0; block < 3; ++block) {
      for (int i = 0; i < 100; ++i) script += "local v" + std::to_string(block * 100 + i) + " ";
      script += "local function f" + std::to_string(block) + "() ";
    }
    for (int i = 0; i < 300; ++i) script += "v" + std::to_string(i) + " = 1 ";
    return script + "end end end";
  }());
  error("labels twice", "already defined", "::a:: ::a::");
  to.push_back(harmless("source", "constants", "50000", [] {
    std::string script = "local t = {";
    for (int i = 0; i < 50'000; ++i) script += std::to_string(i) + ".5,";
    return script + "} return #t";
  }()));
  to.push_back(harmless("source", "a long comment", "1", "--" + std::string(1 << 20, '-') + "\nreturn 1"));
}

}  // namespace

std::vector<Attack> attacks_on_memory() {
  std::vector<Attack> attacks;
  add_growth(attacks);
  add_depth(attacks);
  add_too_much_at_once(attacks);
  add_sources(attacks);
  return attacks;
}

}  // namespace penstock::scripting
