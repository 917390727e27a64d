// app.regex: what it matches, what it refuses, and that it cannot hold the processor.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("test, match and find") {
  check({{"app.regex(''):test('')", "true"},
         {"app.regex('b'):test('abc')", "true"},
         {"app.regex('^b'):test('abc')", "false"},
         {"app.regex('B', 'i'):test('abc')", "true"},
         {"app.regex('^b$', 'm'):test('a\\nb\\nc')", "true"},
         {"app.regex('a.b'):test('a\\nb')", "false"},
         {"app.regex('a.b', 's'):test('a\\nb')", "true"},
         {"app.regex('a.c'):test('aéc')", "true"},
         {"app.regex('a.c'):test('a\\xffc')", "false"},
         {"app.regex('\\\\x00b'):test('a\\0b')", "true"},
         {"app.regex('x'):match('abc')", "null"},
         {"app.regex('b'):match('abc')[0]", "\"b\""},
         {"app.regex('(a)(x)?(b)'):match('ab')[3]", "\"b\""},
         {"app.regex('(a)(x)?(b)'):match('ab')[2]", "null"},
         {"app.regex('(?P<first>a)(?P<none>x)?'):match('ab').none", "null"},
         {"app.regex('(?P<first>a)'):match('ab').first", "\"a\""},
         {"app.regex('a'):match('aba', 2)[0]", "\"a\""},
         {"app.regex('^a'):match('aba', 3)", "null"},
         {"{app.regex('b'):find('abcb')}", "[2,2]"},
         {"{app.regex('b'):find('abcb', 3)}", "[4,4]"},
         {"{app.regex('b'):find('abcb', -1)}", "[4,4]"},
         {"{app.regex('a'):find('abc', -10)}", "[1,1]"},
         {"{app.regex('b'):find('abc', 9)}", "{}"},
         {"app.regex('b'):find('abc', 9)", "null"},
         {"{app.regex(''):find('abc', 4)}", "[4,3]"},
         {"{app.regex('(b)(c)'):find('abc')}", R"([2,3,"b","c"])"},
         {"tostring(app.regex('a', 'i'))", "\"regex i/a\""},
         {"app.regex('a') == app.regex('a')", "true"},
         {"app.regex('a') == app.regex('a', 'i')", "false"},
         {"app.regex('i/a') == app.regex('a', 'i')", "false"}});
}

TEST_CASE("gsub and gmatch") {
  const auto joined = [](const std::string& loop) {
    return "(function() local all = {} for " + loop + " do all[#all + 1] = tostring(a) .. tostring(b) end return all end)()";
  };
  check({{"{app.regex('b'):gsub('abcb', 'X')}", R"(["aXcX",2])"},
         {"{app.regex('b'):gsub('abcb', 'X', 1)}", R"(["aXcb",1])"},
         {"{app.regex('b'):gsub('abcb', 'X', 0)}", R"(["abcb",0])"},
         {"{app.regex('x'):gsub('abcb', 'X')}", R"(["abcb",0])"},
         {"(app.regex('x*'):gsub('abc', '-'))", "\"-a-b-c-\""},
         {"(app.regex('x*'):gsub('axb', '-'))", "\"-a-b-\""},
         {"(app.regex(''):gsub('é!', '-'))", "\"-é-!-\""},
         {"(app.regex('(a)(b)'):gsub('ab', '%2%1%0%%'))", "\"baab%\""},
         {"(app.regex('b'):gsub('abc', '[%1]'))", "\"a[b]c\""},
         {"(app.regex('(x)?b'):gsub('abc', '[%1]'))", "\"a[]c\""},
         {"(app.regex('b'):gsub('abc', 7))", "\"a7c\""},
         {"(app.regex('[abc]'):gsub('abc', {a = 'A', b = 5, c = false}))", "\"A5c\""},
         {"(app.regex('plan'):gsub('my plan', event.properties))", "\"my pro\""},
         {"(app.regex('(a)(b)'):gsub('ab', function(a, b) return b .. a end))", "\"ba\""},
         {"(app.regex('b'):gsub('abc', string.upper))", "\"aBc\""},
         {"(app.regex('(x)?b'):gsub('abc', function(x) return tostring(x) end))", "\"anilc\""},
         {joined("a, b in app.regex('(\\\\w)=(\\\\w)'):gmatch('a=1, b=2')"), R"(["a1","b2"])"},
         {joined("a, b in app.regex('\\\\d*'):gmatch('a12b')"), R"(["nil","12nil","nil"])"},
         {joined("a, b in app.regex('x'):gmatch('abc')"), "{}"},
         {"(function() local n = 0 for _ in app.regex('\\\\w+@'):gmatch(('a@ '):rep(5000)) do n = n + 1 end return n end)()",
          "5000"},
         {"(select(2, app.regex('\\\\w+@'):gsub(('a@ '):rep(30000), 'x')))", "30000"},
         {"(function() local re, t, at, n = app.regex('\\\\w+@'), ('a@ '):rep(3000), 1, 0 "
          "while true do local from, to = re:find(t, at) if not from then return n end n, at = n + 1, to + 1 end end)()",
          "3000"}});
}

TEST_CASE("what is no expression, no text or no replacement is an error that says so") {
  Surroundings lua;
  for (const auto& [expression, message] :
       Table{{"app.regex('(')", "missing ): ("},
             {"app.regex('[z-a]')", "invalid character class range: z-a"},
             {"app.regex('(?=a)')", "invalid perl operator: (?="},
             {"app.regex('(a)\\\\1')", "invalid escape sequence: \\1"},
             {"app.regex('a', 'x')", "flags are i, m, s and U"},
             {"app.regex('a', ('i'):rep(15 << 20))", "flags are i, m, s and U"},
             {"app.regex(('a'):rep(9000))", "the limit is 8192"},
             {"app.regex(('(a)'):rep(51))", "more than 50 groups"},
             {"app.regex('((a{1000}){1000})')", "invalid repetition"},
             {"app.regex('\\xff')", "invalid UTF-8"},
             {"app.regex('a').test('a')", "regex expected, got string"},
             {"app.regex('a'):test(5)", "string expected, got number"},
             {"app.regex('a'):gsub('a')", "string, function or table"},
             {"app.regex('a'):gsub('a', '%2')", "names group %2, and the expression has 0"},
             {"app.regex('a'):gsub('a', '%x')", "invalid use of '%'"},
             {"app.regex('a'):gsub('a', '%')", "invalid use of '%'"},
             {"app.regex('a'):gsub('a', function() return {} end)", "a table; a string"},
             {"app.regex('a'):gsub('a', function() error('mine', 0) end)", "error: mine"},
             {"app.regex('a').nope()", "attempt to call a nil value (field 'nope')"}}) {
    CAPTURE(expression);
    const std::string answer = lua.eval(expression);
    CHECK(answer.starts_with("error: "));
    CHECK(answer.find(message) != std::string::npos);
  }
  for (const char* forbidden : {"app.regex('a').x = 1", "getmetatable(app.regex('a')).__index = 1", "app.regex = 1"}) {
    CAPTURE(forbidden);
    CHECK(lua.run(forbidden).starts_with("error: "));
  }
}

TEST_CASE("an expression that had to make room for others works as before, also in the middle of a gsub") {
  Surroundings lua;
  CHECK(lua.run(R"(
    local kept = app.regex('(b)')
    local text = kept:gsub('abcb', function(b)
      for i = 1, 300 do app.regex('pattern ' .. i) end
      return b:upper()
    end)
    local seen = {}
    for b in kept:gmatch('b b') do
      for i = 1, 300 do app.regex('other ' .. i) end
      seen[#seen + 1] = b
    end
    return text .. table.concat(seen) .. tostring(kept:test('b')))") == "aBcBbbtrue");
}

TEST_CASE("no pattern and no text hold the processor beyond the limits") {
  for (const char* attack : {"return app.regex('((((a{1,30}){1,30})))b'):test(('a'):rep(1000000))",
                             "local re = app.regex('a(.*b)?') return re:gsub(('a'):rep(1000000), 'x')",
                             "for i = 1, 1e9 do app.regex('[[:alpha:]]{900}' .. i) end",
                             "for i = 1, 1e9 do pcall(app.regex, '(((a{10}){10}){9}){9}' .. i) end",
                             "for i = 1, 1e9 do pcall(app.regex, '(' .. i) end",
                             "local re, t = app.regex('(.*)(.*)(.*)(.*)(.*)x'), ('ab '):rep(300000) return re:match(t)[1]",
                             "local re = app.regex('') while true do re:test('') end",
                             "return app.regex(''):gsub(('a'):rep(1000000), ('x'):rep(1000))",
                             "for _ in app.regex(''):gmatch(('a'):rep(4000000)) do end"}) {
    CAPTURE(attack);
    Surroundings lua({.time_max = penstock::Duration{60'000}});
    const std::string answer = lua.run(attack);
    CHECK(answer.starts_with("error: "));
    CHECK(lua.vm().spent());
  }
}
