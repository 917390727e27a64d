// Scripts that would not end, or not soon.

#include "pipeline/scripting/vm/attacks.h"

namespace penstock::scripting {
namespace {

constexpr Stop kSteps = Stop::instructions;

void add_loops(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) { to.push_back(stopped("loop", name, kSteps, script)); };
  add("while true", "while true do end");
  add("goto", "::again:: goto again");
  add("repeat until false", "local n = 0 repeat n = n + 1 until false");
  add("for over all integers", "for i = math.mininteger, math.maxinteger do end");
  add("for of floats that stand still", "for x = 2^53, math.huge do end");
  add("tail calls", "local function f() return f() end return f()");
  add("mutual tail calls", "local f, g function f() return g() end function g() return f() end return f()");
  add("iterator that never ends", "for _ in function() return 1 end do end");
  add("next in a loop", "local t = {1} while true do next(t) end");
  add("ipairs", "local t = {} for i = 1, 1000 do t[i] = i end while true do for _ in ipairs(t) do end end");
  add("pairs over itself", "local t = {1, 2, 3} while true do for k in pairs(t) do t[k] = k end end");
  add("__index function", "local t = setmetatable({}, {__index = function() while true do end end}) return t.x");
  add("__eq", "local m = {__eq = function() while true do end end} return setmetatable({}, m) == setmetatable({}, m)");
  add("__lt in sort",
      "local m = {__lt = function() while true do end end} table.sort({setmetatable({}, m), setmetatable({}, m)})");
  add("__concat", "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'");
  add("__len", "return #setmetatable({}, {__len = function() while true do end end})");
  add("__call", "return setmetatable({}, {__call = function(self) return self() end})()");
  add("__tostring", "return tostring(setmetatable({}, {__tostring = function() while true do end end}))");
  add("__tostring of the error", "error(setmetatable({}, {__tostring = function() while true do end end}))");
  add("__pairs", "for _ in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end");
}

void add_caught(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) { to.push_back(stopped("caught", name, kSteps, script)); };
  add("pcall in a loop", "while true do pcall(function() while true do end end) end");
  add("pcall of pcall", "local function f() pcall(f) while true do end end while true do pcall(f) end");
  add("pcall of error in a loop", "while true do pcall(error) end");
  add("xpcall handler", "xpcall(function() while true do end end, function() while true do end end)");
  add("xpcall handler after an error", "xpcall(error, function() while true do end end)");
  add("xpcall handler that fails", "while true do xpcall(error, function() error() end) end");
  add("xpcall in the handler", "local function h() while true do xpcall(error, h) end end xpcall(error, h)");
  add("coroutine", "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end");
  add("coroutine resumed for ever",
      "local co = coroutine.create(function() while true do coroutine.yield() end end) "
      "while true do coroutine.resume(co) end");
  add("coroutine.running", "local f = coroutine.running while true do f() f() f() f() f() f() f() f() end");
  add("coroutine.status",
      "local f, c = coroutine.status, coroutine.create(type) while true do f(c) f(c) f(c) f(c) f(c) f(c) f(c) f(c) end");
  add("short coroutines", "while true do coroutine.wrap(function() for i = 1, 900 do end end)() end");
  add("coroutine in coroutine",
      "local function f() local co = coroutine.wrap(f) pcall(co) while true do end end while true do pcall(f) end");
  add("yield across pcall",
      "local co = coroutine.wrap(function() while true do pcall(coroutine.yield) end end) while true do co() end");
  add("__close",
      "local c = setmetatable({}, {__close = function() while true do end end}) "
      "local function f() local x <close> = c while true do end end while true do pcall(f) end");
  add("__close of an ended call",
      "local c = setmetatable({}, {__close = function() while true do end end}) do local x <close> = c end");
  add("__close in a coroutine",
      "local c = setmetatable({}, {__close = function() while true do end end}) "
      "coroutine.wrap(function() local x <close> = c while true do end end)()");
  add("many __close",
      "local c = setmetatable({}, {__close = function() while true do end end}) "
      "local function f(n) local x <close> = c if n > 0 then return (f(n - 1)) end while true do end end pcall(f, 100)");
  add("generic for with a closing value",
      "local c = setmetatable({}, {__close = function() while true do end end}) for _ in next, {1}, nil, c do while true do "
      "end end");
}

void add_library_calls(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) { to.push_back(stopped("library", name, kSteps, script)); };
  add("sort with a comparator that loops", "table.sort({3, 2, 1}, function() while true do end end)");
  add("sort of many",
      "local t = {} for i = 1, 100000 do t[i] = -i end while true do table.sort(t, function(a, b) return a < b end) end");
  add("table.move over nothing", "table.move({}, 1, 1 << 60, 2)");
  add("table.concat of nothing", "table.concat(setmetatable({}, {__index = function() return '' end}), '', 1, 1 << 60)");
  add("table.concat that __len says",
      "table.concat(setmetatable({}, {__len = function() return 1 << 60 end, __index = function() return '' end}))");
  add("insert at the front", "local t = {} while true do table.insert(t, 1, 0) end");
  add("remove at the front",
      "local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, table.remove(t, 1)) end");
  add("type", "local f = type while true do f(1) f(1) f(1) f(1) f(1) f(1) f(1) f(1) end");
  add("unpack in a loop", "local t = {} for i = 1, 200 do t[i] = i end while true do table.unpack(t) end");
  add("select in a loop", "local function f(...) while true do select(-1, ...) end end f(table.unpack({}, 1, 200))");
  add("upper", "local s = ('x'):rep(1 << 20) while true do s:upper() end");
  add("reverse", "local s = ('x'):rep(1 << 20) while true do s:reverse() end");
  add("rep", "while true do ('x'):rep(1 << 20) end");
  add("rep inside __index",
      "local t = setmetatable({}, {__index = function() return ('x'):rep(1 << 20) end}) while true do local x = t.x end");
  add("format %s", "local s = ('x'):rep(1 << 20) while true do ('%s%s'):format(s, s) end");
  add("format of long numbers", "while true do ('%99.99f'):format(1e308) end");
  add("format %q", "local s = ('\\n'):rep(1 << 18) while true do ('%q'):format(s) end");
  add("pack of a long format", "local f = ('i8'):rep(100000) while true do pcall(string.pack, f, 1) end");
  add("packsize", "local f = ('!16 i16'):rep(100000) while true do pcall(string.packsize, f) end");
  add("unpack of a long format", "local f = (' '):rep(1 << 20) while true do string.unpack(f, '') end");
  add("byte", "local s = ('x'):rep(10000) while true do s:byte(1, 10000) end");
  add("utf8.len", "local s = ('x'):rep(1 << 20) while true do utf8.len(s) end");
  add("utf8.offset", "local s = ('\\u{20ac}'):rep(1 << 18) while true do utf8.offset(s, 1 << 17) end");
  add("utf8.codepoint", "local s = ('x'):rep(10000) while true do utf8.codepoint(s, 1, 10000) end");
  add("utf8.codes", "local s = ('x'):rep(1 << 20) while true do for _ in utf8.codes(s) do end end");
  add("tonumber of a long string", "local s = (' '):rep(1 << 20) .. '1' while true do tonumber(s) end");
  add("tonumber with a base", "local s = ('z'):rep(1 << 20) while true do tonumber(s, 36) end");
  add("arithmetic on a long string", "local s = ('1'):rep(190) .. ' ' while true do local x = s + 1 end");
  add("mathematics of a long string", "local s, f = '0.' .. ('1'):rep(190), math.abs while true do f(s) end");
  add("tonumber of many digits", "local s, f = '0.' .. ('1'):rep(190), tonumber while true do f(s) end");
  add("the limit of a loop is a long string", "local s = '0.' .. ('0'):rep(190) while true do for i = 1, s + 0 do end end");
  add("comparing long strings",
      "local a, b = ('x'):rep(1 << 20) .. 'a', ('x'):rep(1 << 20) .. 'b' while true do local x = a < b end");
  add("equality of long strings",
      "local a, b = ('x'):rep(1 << 20), ('x'):rep(1 << 19) b = b .. b while true do local x = a == b end");
  add("long strings as keys", "local t, s = {}, ('x'):rep(1 << 20) while true do t[s .. #t] = nil end");
  add("concatenation", "local s = ('x'):rep(1 << 20) while true do local t = s .. 'y' end");
}

// Each zero byte ends a piece that Lua compares by itself.
void add_order(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) { to.push_back(stopped("order", name, kSteps, script)); };
  add("strings of zero bytes", "local s = ('a\\0'):rep(1 << 19) local t = s .. 'b' while true do local q = s < t end");
  add("not greater, of zero bytes", "local s = ('\\0'):rep(1 << 20) local t = s .. 'b' while true do local q = s <= t end");
  add("shorter strings of zero bytes", "local s = ('\\0'):rep(150000) local t = s .. 'b' while true do local q = s < t end");
  add("long strings of letters", "local s = ('a'):rep(1 << 20) local t = s .. 'b' while true do local q = s < t end");
  add("zero bytes in a coroutine",
      "local s = ('\\0'):rep(1 << 20) local t = s .. 'b' "
      "coroutine.wrap(function() while true do pcall(function() return s < t end) end end)()");
  add("a comparator of zero bytes",
      "local s = ('\\0'):rep(1 << 16) local l = {} for i = 1, 40 do l[i] = s .. i % 3 end "
      "table.sort(l, function(a, b) return a < b end)");
  add("sort of strings of zero bytes",
      "local l = {} for i = 1, 14 do l[i] = ('\\0'):rep(1 << 16) .. i end while true do table.sort(l) end");
  add("sort of many strings that begin alike",
      "local s, l = ('a'):rep(1 << 13), {} for i = 1, 300 do l[i] = s .. i end while true do table.sort(l) end");
  add("sort of one string",
      "local s = ('\\0'):rep(1 << 20) local l = {} for i = 1, 300 do l[i] = s end while true do table.sort(l) end");
}

void add_patterns(std::vector<Attack>& to) {
  const auto add = [&](const char* name, const char* script) { to.push_back(stopped("pattern", name, kSteps, script)); };
  add("five lazy dots", "(('a'):rep(1 << 20)):find(('.-'):rep(5) .. 'x')");
  add("quotes", "(('\"'):rep(1 << 20)):find(('\".-\"'):rep(5) .. 'x')");
  add("greedy repetitions", "(('a'):rep(1 << 20)):match(('a*'):rep(20) .. 'b')");
  add("optional ones", "(('a'):rep(1 << 20)):match(('a?'):rep(190) .. ('a'):rep(190) .. 'b')");
  add("sets", "(('ab'):rep(1 << 19)):match(('[ab]-'):rep(4) .. '[^ab]')");
  add("balance without end", "(('('):rep(1 << 20)):find('%b()')");
  add("back references", "(('a'):rep(1 << 20)):match('(a*)%1%1%1b')");
  add("frontiers", "(('a '):rep(1 << 19)):match('%f[%w].-%f[%W].-%f[%w].-%f[%d]')");
  add("a long literal again and again", "local s = ('a'):rep(1 << 19) local t = s .. s t:find('.-' .. s .. 'b')");
  add("plain find of what nearly is there",
      "local s = ('a'):rep(1 << 20) local t = ('a'):rep(1000) .. 'b' while true do s:find(t, 1, true) end");
  add("a set of many ranges",
      "local s = '[' .. ('\\0-\\xff'):rep(1 << 18) .. ']' while true do local x = ('x'):find(s) end");
  add("long patterns, each another",
      "local s, n = ('a'):rep(100000) .. '.', 0 while true do n = n + 1 local x = ('x'):find(s .. n) end");
  add("long sets, each another",
      "local s, n = '[' .. ('abc'):rep(33000), 0 while true do n = n + 1 local x = ('x'):find(s .. n .. ']') end");
  add("gsub callback", "(('x'):rep(10)):gsub('x', function() while true do end end)");
  add("gsub of every byte", "local s = ('x'):rep(1 << 20) while true do s:gsub('.', '%0') end");
  add("gsub with many captures in the replacement",
      "local r = ('%1'):rep(50000) local s = ('a'):rep(30) while true do s:gsub('()a', r) end");
  add("gsub with many signs in the replacement",
      "local r = ('%%'):rep(50000) local s = ('a'):rep(30) while true do s:gsub('a', r) end");
  add("gsub of nothing", "local s = ('x'):rep(1 << 20) while true do s:gsub('', '') end");
  add("gsub table with __index",
      "(('x'):rep(10)):gsub('x', setmetatable({}, {__index = function() while true do end end}))");
  add("gsub callbacks in a pcall", "while true do pcall(string.gsub, 'xx', 'x', function() while true do end end) end");
  add("gmatch that never ends", "while true do for _ in (('x'):rep(100)):gmatch('') do end end");
  add("gmatch over a long text", "for _ in (('a'):rep(1 << 20)):gmatch('.-.-.-b') do end");
}

}  // namespace

std::vector<Attack> attacks_on_time() {
  std::vector<Attack> attacks;
  add_loops(attacks);
  add_caught(attacks);
  add_library_calls(attacks);
  add_order(attacks);
  add_patterns(attacks);
  return attacks;
}

}  // namespace penstock::scripting
