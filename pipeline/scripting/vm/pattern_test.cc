#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/vm/pattern.h"
#include "pipeline/scripting/vm/testing.h"

using namespace penstock;
using namespace penstock::scripting;

TEST_CASE("a range of bytes holds what lies between its ends") {
  for (const int low : {0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 254, 255}) {
    for (const int high : {0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 254, 255}) {
      ByteSet set;
      set.add_range(static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high));
      for (int byte = 0; byte < 256; ++byte)
        REQUIRE(set.has(static_cast<std::uint8_t>(byte)) == (low <= byte && byte <= high));
    }
  }
}

TEST_CASE("items of a pattern match what the manual says") {
  check_values({
      {"('THE (quick) fox'):find('%((%a+)%)')", "5,11,quick"},
      {"('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key,value"},
      {"('  trim me '):match('^%s*(.-)%s*$')", "trim me"},
      {"('a.b'):find('.', 1, true)", "2,2"},
      {"('a.b'):find('%.')", "2,2"},
      {"('x^y$z'):match('x^y$z')", "x^y$z"},
      {"('aaa'):match('a-')", ""},
      {"('aaab'):match('a-b')", "aaab"},
      {"('aaa'):match('^(a-)$')", "aaa"},
      {"('color colour'):gsub('colou?r', 'c')", "c c,2"},
      {"('f(a(b)c)d'):match('%b()')", "(a(b)c)"},
      {"('\"it\\'s\" \\'x\\''):match('([\"\\'])(.-)%1')", "\",it's"},
      {"('THE (quick) fox'):gsub('%f[%a]%a+%f[%A]', '#')", "# (#) #,3"},
      {"('THE'):find('%f[%z]')", "4,3"},
      {"('hello'):find('()ll()')", "3,4,3,5"},
      {"('a-b]c^d'):gsub('[]^-]', '.')", "a.b.c.d,3"},
      {"('0123456789'):gsub('[^3-5]', '')", "345,7"},
      {"('tab\\tnew\\nline'):gsub('%c', '|')", "tab|new|line,2"},
      {"('aXbYc'):gsub('%u', '')", "abc,2"},
      {"('\\0a\\0b'):gsub('%z', '0')", "0a0b,2"},
      {"#('a\\0b'):match('a%zb')", "3"},
      {"('a\\0b'):find('\\0b')", "2,3"},
      {"('\\xff\\xfe'):find('[\\xf0-\\xff]+')", "1,2"},
  });
}

TEST_CASE("where matching begins") {
  check_values({
      {"('banana'):find('a', 3)", "4,4"},
      {"('banana'):find('a', -1)", "6,6"},
      {"('banana'):find('a', -100)", "2,2"},
      {"('banana'):find('', 7)", "7,6"},
      {"('banana'):find('', 8)", "nil"},
      {"('banana'):find('^n', 3)", "3,3"},
      {"('banana'):match('.', 7)", "nil"},
      {"('abc'):find('b', 1 << 62)", "nil"},
      {"('hello world'):gmatch('%w+', 4)()", "lo"},
      {"('hello'):gmatch('%w+', -2)()", "lo"},
      {"('hello'):gmatch('.', 9)()", ""},
      {"('^a^a'):gmatch('^a')()", "^a"},
  });
}

TEST_CASE("gsub replaces by text, table and function, up to a number of times") {
  check_values({
      {"('hello world'):gsub('o', '0', 1)", "hell0 world,1"},
      {"('hello world'):gsub('(%w+) (%w+)', '%2 %1 %0 %%')", "world hello hello world %,1"},
      {"('abc'):gsub('%w', '%1%1')", "aabbcc,3"},
      {"('abc'):gsub('()', '%1')", "1a2b3c4,4"},
      {"('abc'):gsub('', '-')", "-a-b-c-,4"},
      {"('abc'):gsub('b*', '-')", "-a-c-,3"},
      {"('abc'):gsub('.', {a = 1, b = true and 'B', c = false})", "1Bc,3"},
      {"('abc'):gsub('.', setmetatable({}, {__index = function(_, k) return k .. k end}))", "aabbcc,3"},
      {"('a=1 b=2'):gsub('(%w)=(%w)', function(k, v) return v .. '=' .. k end)", "1=a 2=b,2"},
      {"('abc'):gsub('b', function() end)", "abc,1"},
      {"('abc'):gsub('b', 7)", "a7c,1"},
      {"('aaa'):gsub('^a', 'b')", "baa,1"},
      {"('abc'):gsub('x', 'y')", "abc,0"},
      {"('abc'):gsub('.', '%0%0', 0)", "abc,0"},
      {"('abc'):gsub('.', '%0%0', -1)", "abc,0"},
  });
}

TEST_CASE("what is wrong with a pattern is said when matching comes to it") {
  check_values({
      {"('a'):find('[a')", "malformed pattern (missing ']')"},
      {"('a'):find('b[a')", "nil"},
      {"('a'):find('a%')", "malformed pattern (ends with '%')"},
      {"('a'):find('(a')", "unfinished capture"},
      {"('a'):find('a)%')", "invalid pattern capture"},
      {"('a'):find('%1')", "invalid capture index %1"},
      {"('a'):find('(%1)')", "invalid capture index %1"},
      {"('a'):find('%b')", "malformed pattern (missing arguments to '%b')"},
      {"('a'):find('%f')", "missing '[' after '%f' in pattern"},
      {"('a'):find(('()'):rep(33))", "too many captures"},
      {"('a'):find(('a?'):rep(201))", "pattern too complex"},
      {"('a'):gsub('a', '%x')", "invalid use of '%' in replacement string"},
      {"('a'):gsub('a', '%')", "invalid use of '%' in replacement string"},
      {"('a'):gsub('a', '%2')", "invalid capture index %2 in replacement string"},
      {"('a'):gsub('a', function() return {} end)", "invalid replacement value (a table)"},
      {"('a'):gsub('a', true)", "bad argument #2 to 'gsub' (string/function/table expected, got boolean)"},
      {"('a'):find()", "bad argument #1 to 'find' (string expected, got no value)"},
      {"string.find({}, 'a')", "bad argument #1 to 'find' (string expected, got table)"},
  });
}

TEST_CASE("a callback may use the same and other patterns") {
  check_values(
      {{"('a1b2'):gsub('%a%d', function(s) return (s:gsub('%a%d', function(t) return (t:gsub('%d', '<%0>')) end)) end)",
        "a<1>b<2>,2"}});
  // More patterns than are kept compiled, while one of them is in use.
  CHECK(value_of("('xyx'):gsub('[xy]', function(s) local n = 0 for i = 1, 500 do n = n + select(2, s:gsub('[x' .. i .. ']', "
                 "'')) end return n // 100 end)") == "505,3");
}

TEST_CASE("matching stops at the instruction limit") {
  const Limits limits{.memory_max = 16_MiB, .instructions_max = 300'000, .time_max = Duration{20'000}};
  for (const char* expression : {
           "(('a'):rep(1 << 20)):find(('.-'):rep(5) .. 'x')",
           "(('\"'):rep(1 << 20)):find(('\".-\"'):rep(5) .. 'x')",
           "(('a'):rep(1 << 20)):find(('a*'):rep(20) .. 'b')",
           "(('a'):rep(1 << 20)):find(('a?'):rep(100) .. ('a'):rep(100) .. 'b')",
           "(('a'):rep(1 << 20)):match(('(a*)'):rep(10) .. '%1%2%3b')",
           "(('('):rep(1 << 20)):find('%b()')",
           "(('ab'):rep(1 << 19)):gsub('a(.-)c', '')",
           "(('a'):rep(1 << 20)):find(('a'):rep(1 << 19) .. '.-b')",
       }) {
    CAPTURE(expression);
    CHECK(value_of(expression, limits).find("instruction limit of 300000 reached") != std::string::npos);
  }
}
