#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/vm/testing.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

// The body of a function, as an expression.
std::string block(const std::string& body) { return "(function() " + body + " end)()"; }

const std::string kKeys =
    "local keys = {} for k in pairs(t) do keys[#keys + 1] = tostring(k) end return table.concat(keys, ' ')";

}  // namespace

TEST_CASE("pairs visits a list, other numbers, strings by their bytes, booleans") {
  check_values({
      {block("local t = {zeta = 1, alpha = 2, Beta = 3, [''] = 4, alphabet = 5} " + kKeys), " Beta alpha alphabet zeta"},
      {block("local t = {'a', 'b', 'c', x = 1, [10] = 2, [-1] = 3, [1.5] = 4, [true] = 5, [false] = 6} " + kKeys),
       "1 2 3 -1 1.5 10 x false true"},
      {block("local t = {10, 20, 30} " + kKeys), "1 2 3"},
      {block("local t = {only = 1} " + kKeys), "only"},
      {block("local t = {} " + kKeys), ""},
      {block("local t = {['a long key with the same start: 2'] = 1, ['a long key with the same start: 1'] = 1} " + kKeys),
       "a long key with the same start: 1 a long key with the same start: 2"},
      {block("local t = {['a\\0b'] = 1, a = 1, ['a\\0'] = 1, ['\\255'] = 1} local n = {} for k in pairs(t) do n[#n + 1] = "
             "#k end "
             "return table.concat(n)"),
       "1231"},
      {block("local t = {} for i = 1, 300 do t['k' .. i] = i end local last, sorted = '', true "
             "for k in pairs(t) do sorted = sorted and last < k last = k end return sorted"),
       "true"},
      {block("local t = {[math.mininteger] = 1, [math.maxinteger] = 1, [2^53 + 0.0] = 1, [-math.huge] = 1, x = 1} " + kKeys),
       "-inf -9223372036854775808 9007199254740992 9223372036854775807 x"},
  });
}

TEST_CASE("fields may be changed and cleared while pairs walks") {
  check_values({
      {block("local t = {a = 1, b = 2, c = 3} for k, v in pairs(t) do t[k] = v * 2 end return t.a + t.b + t.c"), "12"},
      {block("local t = {a = 1, b = 2, c = 3} local seen = '' for k in pairs(t) do seen = seen .. k t.b = nil end return "
             "seen"),
       "ac"},
      {block("local t = {1, 2, 3, x = 4} for k in pairs(t) do t[k] = nil end return next(t)"), "nil"},
      {block("local t = {1, 2, 3} for k in pairs(t) do t[k] = nil end return next(t)"), "nil"},
      {block("local t = {a = 1, b = 2} local n = 0 for _ in pairs(t) do for _ in pairs(t) do n = n + 1 end end return n"),
       "4"},
      {block("local t = setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, 'own' end "
             "end, t end}) "
             "for _, v in pairs(t) do return v end"),
       "own"},
      {block("local t = setmetatable({b = 1, a = 2}, {__index = error}) " + kKeys), "a b"},
      {block("for k in pairs(nil) do end"), "bad argument #1 to 'for iterator' (table expected, got nil)"},
      {block("for k in pairs(7) do end"), "bad argument #1 to 'for iterator' (table expected, got number)"},
      {block("local t = coroutine local keys = {} for k in pairs(t) do keys[#keys + 1] = k end return table.concat(keys, ' "
             "')"),
       "create isyieldable resume running status wrap yield"},
      {block("local f, t = pairs(string) t.x = 1"), "this table is read-only (field 'x'); use a local variable"},
  });
}

TEST_CASE("no text shows an address") {
  check_values({
      {"tostring({})", "table"},
      {"tostring(print or type)", "function"},
      {"tostring(coroutine.create(type))", "thread"},
      {"tostring(setmetatable({}, {__name = 'point'}))", "point"},
      {"tostring(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"},
      {"tostring(setmetatable({}, {__tostring = function() return {} end}))", "'__tostring' must return a string"},
      {"tostring()", "bad argument #1 to 'tostring' (value expected)"},
      {"tostring(nil), tostring(true), tostring(1), tostring(1.0), tostring('x')", "nil,true,1,1.0,x"},
      {"('%s %s %s'):format({}, type, nil)", "table function nil"},
      {"('%s'):format(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"},
      {"('%d'):format({})", "bad argument #1 to 'format' (number expected, got table)"},
      {"('%q'):format({})", "bad argument #1 to 'format' (value has no literal form)"},
      {"('%p'):format({})", "string.format: %p is not available to apps: an address differs from run to run"},
      {"('100%% of %5.1f%s'):format(3.14159, 'x')", "100% of   3.1x"},
      {"('%s'):format()", "bad argument #1 to 'format' (no value)"},
      {"('%'):format(1)", "invalid conversion '%' to 'format'"},
      {"('%y'):format(1)", "invalid conversion '%y' to 'format'"},
  });
}

TEST_CASE("charged functions give what Lua's own give") {
  check_values({
      {"('ab'):rep(3, '-'), ('x'):rep(0), (''):rep(5), ('ab'):rep(1, ','), (''):rep(3, '.'), ('x'):rep(-1)",
       "ab-ab-ab,,,ab,..,"},
      {"#('abc'):rep(1000), #('abc'):rep(1000, '--')", "3000,4998"},
      {"('hello'):byte(-2, -1)", "108,111"},
      {"('hello'):byte(10)", ""},
      {"('hello'):sub(2, -2), ('hello'):upper(), ('abc'):reverse()", "ell,HELLO,cba"},
      {"select('#', ('x'):rep(16384):byte(1, -1))", "16384"},
      {"('x'):rep(16385):byte(1, -1)", "string slice too long (more than 16384 values)"},
      {"select('#', table.unpack({}, 1, 16384))", "16384"},
      {"table.unpack({}, 1, 16385)", "too many results to unpack (more than 16384)"},
      {"table.unpack({}, math.mininteger, math.maxinteger)", "too many results to unpack (more than 16384)"},
      {"table.unpack({1, 2, 3}, 2)", "2,3"},
      {"select(-1, 1, 2, 3), select('#')", "3,0"},
      {"tonumber('0x10'), tonumber('z', 36), tonumber('1e1'), tonumber('x'), tonumber(' 7 ')", "16,35,10.0,nil,7"},
      {block("local s = '' for p, c in utf8.codes('aé') do s = s .. p .. ':' .. c .. ' ' end return s"), "1:97 2:233 "},
      {"utf8.codepoint('é', 1), utf8.len('aé'), utf8.char(233)", "233,2,é"},
      {block("local s = '' for i, v in ipairs({'a', 'b', nil, 'd'}) do s = s .. i .. v end return s"), "1a2b"},
      {block("local s = '' for i, v in ipairs(setmetatable({}, {__index = function(_, i) if i < 4 then return i * i end "
             "end})) do "
             "s = s .. v end return s"),
       "149"},
      {"string.unpack('<i4', string.pack('<i4', -2))", "-2,5"},
      {"select('#', string.unpack(('b'):rep(16383), ('x'):rep(16383)))", "16384"},
      {"string.unpack(('b'):rep(16384), ('x'):rep(16384))", "too many results to unpack (more than 16384)"},
      {block("local t = {1, 2, 3} table.insert(t, 1, 0) table.remove(t, 2) return table.concat(t, ',')"), "0,2,3"},
  });
}

TEST_CASE("strings are ordered by their bytes, and sorted as they are ordered") {
  const std::string parts =
      "local l, pieces = {}, {'', 'a', 'b', '\\0', '\\0a', '\\0\\0', '\\xff', 'é'} "
      "for _, start in ipairs({'', 'a', ('a'):rep(4096), ('a'):rep(4095) .. '\\0', ('\\0'):rep(5000)}) do "
      "for _, a in ipairs(pieces) do for _, b in ipairs(pieces) do l[#l + 1] = start .. a .. b end end end "
      "local function less(a, b) for i = 1, math.min(#a, #b) do local x, y = a:byte(i), b:byte(i) "
      "if x ~= y then return x < y end end return #a < #b end ";
  const Limits much{.instructions_max = 1'000'000'000, .time_max = Duration{60'000}};
  CHECK(
      value_of(block(parts + "table.sort(l) for i = 2, #l do if less(l[i], l[i - 1]) then return i end end return 'sorted'"),
               much) == "sorted");
  CHECK(value_of(block(parts + "for i = 1, #l, 7 do for j = 1, #l, 5 do "
                               "if (l[i] < l[j]) ~= less(l[i], l[j]) or (l[i] <= l[j]) == less(l[j], l[i]) "
                               "then return i .. ' ' .. j end end end return 'ordered'"),
                 much) == "ordered");
}

TEST_CASE("sort keeps the order of equal values and the list of an error") {
  const std::string words = "local t = {} for w in ('bb a ccc dd e fff g hh'):gmatch('%a+') do t[#t + 1] = w end ";
  check_values({
      {block(words + "table.sort(t, function(a, b) return #a < #b end) return table.concat(t, ' ')"),
       "a e g bb dd hh ccc fff"},
      {block(words + "table.sort(t) return table.concat(t, ' ')"), "a bb ccc dd e fff g hh"},
      {block(words + "table.sort(t, function(a, b) return a > b end) return table.concat(t, ' ')"),
       "hh g fff e dd ccc bb a"},
      {block(words + "pcall(table.sort, t, error) return table.concat(t, ' ')"), "bb a ccc dd e fff g hh"},
      {block("local t = {} for i = 1, 1000 do t[i] = i * 7919 % 1009 end table.sort(t) for i = 2, 1000 do "
             "if t[i - 1] >= t[i] then return i end end return 'sorted'"),
       "sorted"},
      {block("for n = 1, 40 do local t = {} for i = 1, n do t[i] = {i * 7 % 5, i} end "
             "table.sort(t, function(a, b) return a[1] < b[1] end) for i = 2, n do local a, b = t[i - 1], t[i] "
             "if a[1] > b[1] or a[1] == b[1] and a[2] > b[2] then return n end end end return 'stable'"),
       "stable"},
      {block("local real = {3, 1, 2} local t = setmetatable({}, {__index = real, __newindex = real, __len = function() "
             "return 3 end}) "
             "table.sort(t) return table.concat(real)"),
       "123"},
      {"table.sort({1, 'x'})", "attempt to compare string with number"},
      {"table.sort({3, 2, 1}, 1)", "bad argument #2 to 'sort' (function expected, got number)"},
      {"table.sort(1)", "bad argument #1 to 'sort' (table expected, got number)"},
      {"table.sort({})", ""},
  });
}
