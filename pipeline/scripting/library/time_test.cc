// app.time: texts that people and programs send, zones, and what is no time.

#include <doctest/doctest.h>

#include <string>

#include "pipeline/scripting/library/testing.h"

using namespace penstock::scripting;
using namespace penstock::scripting::testing;

namespace {

// Each is app.time.parse's arguments, and the result as app.time.format shows it.
void check_parse(const Table& table) {
  Surroundings lua;
  for (const auto& [arguments, gives] : table) {
    CAPTURE(arguments);
    CHECK(lua.run("local t = app.time.parse(" + arguments + ") return t and app.time.format(t) or 'nil'") == gives);
  }
}

}  // namespace

TEST_CASE("ISO 8601, RFC 2822 and numbers are told apart") {
  check_parse({{"'2026-08-01T10:00:00.123456Z'", "2026-08-01T10:00:00.123Z"},
               {"'2026-08-01 10:00:00+02:00'", "2026-08-01T08:00:00.000Z"},
               {"'2026-08-01T10:00:00-0530'", "2026-08-01T15:30:00.000Z"},
               {"'2026-08-01T10:00:00+02'", "2026-08-01T08:00:00.000Z"},
               {"'2026-08-01T10:00Z'", "2026-08-01T10:00:00.000Z"},
               {"'2026-08-01T10:00'", "2026-08-01T10:00:00.000Z"},
               {"'20260801T100000Z'", "2026-08-01T10:00:00.000Z"},
               {"'2026-08-01T10:00:00,5Z'", "2026-08-01T10:00:00.500Z"},
               {"'2026-08-01'", "2026-08-01T00:00:00.000Z"},
               {"'2026-12-31T23:59:60Z'", "2027-01-01T00:00:00.000Z"},
               {"'Sat, 01 Aug 2026 10:00:00 +0200'", "2026-08-01T08:00:00.000Z"},
               {"'1 aug 26 10:00 EST'", "2026-08-01T15:00:00.000Z"},
               {"'Sat, 01 Aug 2026 10:00:00 -0000 (a comment)'", "2026-08-01T10:00:00.000Z"},
               {"'Saturday, 01 August 2026 10:00:00 GMT'", "2026-08-01T10:00:00.000Z"},
               {"'01 Aug 099 10:00:00 Z'", "1999-08-01T10:00:00.000Z"},
               {"1785578400", "2026-08-01T10:00:00.000Z"},
               {"1785578400123", "2026-08-01T10:00:00.123Z"},
               {"1785578400.5", "2026-08-01T10:00:00.500Z"},
               {"'1785578400'", "2026-08-01T10:00:00.000Z"},
               {"'1785578400.25'", "2026-08-01T10:00:00.250Z"},
               {"-1", "1969-12-31T23:59:59.000Z"},
               {"0", "1970-01-01T00:00:00.000Z"},
               {"1000, 'ms'", "1970-01-01T00:00:01.000Z"},
               {"'1000', 's'", "1970-01-01T00:16:40.000Z"},
               {"200000000000, 's'", "8307-10-01T19:33:20.000Z"}});
}

TEST_CASE("what is no time gives nil and a message") {
  check_parse({{"''", "nil"},
               {"'yesterday'", "nil"},
               {"'2026-02-29'", "nil"},
               {"'2026-13-01'", "nil"},
               {"'2026-08-01T25:00:00Z'", "nil"},
               {"'0000-01-01'", "nil"},
               {"'31 Feb 2026 10:00 GMT'", "nil"},
               {"'Sat, 01 Aug 2026'", "nil"},
               {"'1e9'", "nil"},
               {"'0x10'", "nil"},
               {"'inf'", "nil"},
               {"'-'", "nil"},
               {"0/0", "nil"},
               {"1/0", "nil"},
               {"1e300", "nil"},
               {"1e18, 'ms'", "nil"},
               {"'2026-08-01', 'rfc2822'", "nil"},
               {"'1 Aug 2026 10:00', 'iso'", "nil"},
               {"'10:00', '%H'", "nil"},
               {"'2026-08-01T10:00:00Zx'", "nil"},
               {"' 2026-08-01'", "nil"}});
  check({{"select(2, app.time.parse('x'))", "\"no time of the years 1 to 9999 in this form\""}});
}

TEST_CASE("zones: whole history, jumps and repetitions of clocks") {
  check_parse({{"'2026-08-01 12:00:00', 'Europe/Berlin'", "2026-08-01T10:00:00.000Z"},
               {"'2026-01-01 12:00:00', 'iso', 'Europe/Berlin'", "2026-01-01T11:00:00.000Z"},
               {"'2026-08-01T12:00:00Z', 'Europe/Berlin'", "2026-08-01T12:00:00.000Z"},
               {"'2026-08-01', 'Asia/Tokyo'", "2026-07-31T15:00:00.000Z"},
               {"'2026-08-01 12:00:00', '+05:30'", "2026-08-01T06:30:00.000Z"},
               {"'2026-08-01 12:00:00', nil, '-0300'", "2026-08-01T15:00:00.000Z"},
               {"'1 Aug 2026 12:00:00', 'America/New_York'", "2026-08-01T16:00:00.000Z"},
               {"'2026-03-29 02:30:00', 'Europe/Berlin'", "2026-03-29T01:30:00.000Z"},
               {"'2026-10-25 02:30:00', 'Europe/Berlin'", "2026-10-25T00:30:00.000Z"},
               {"'1890-01-01 00:00:00', 'Europe/Berlin'", "1889-12-31T23:06:32.000Z"},
               {"'2026-08-01 12:00:00', 'US/Eastern'", "2026-08-01T16:00:00.000Z"},
               {"'2026-08-01 12:00:00', 'UTC'", "2026-08-01T12:00:00.000Z"}});
  check({{"app.time.format(1785578400000, 'Europe/Berlin')", "\"2026-08-01T12:00:00.000+02:00\""},
         {"app.time.format(1785578400000, 'iso', 'UTC')", "\"2026-08-01T10:00:00.000+00:00\""},
         {"app.time.format(1785578400000, 'date', 'Pacific/Kiritimati')", "\"2026-08-02\""},
         {"app.time.format(1785578400000, 'rfc2822', 'America/St_Johns')", "\"Sat, 01 Aug 2026 07:30:00 -0230\""},
         {"app.time.parts(1774747800000, 'Europe/Berlin').hour", "3"},
         {"app.time.parts(0).weekday", "4"},
         {"app.time.parts(1798675200000).yearday", "365"},
         {"app.time.parts(-1).millisecond", "999"}});
}

TEST_CASE("patterns are read and written") {
  check_parse({{"'01.08.2026 10:00', '%d.%m.%Y %H:%M'", "2026-08-01T10:00:00.000Z"},
               {"'1.8.2026', '%d.%m.%Y'", "2026-08-01T00:00:00.000Z"},
               {"'8/1/26 12:05 am', '%D %I:%M %p'", "2026-08-01T00:05:00.000Z"},
               {"'12:05 PM 2026', '%I:%M %p %Y'", "2026-01-01T12:05:00.000Z"},
               {"'01/Aug/2026:10:00:00 +0200', '%d/%b/%Y:%T %z'", "2026-08-01T08:00:00.000Z"},
               {"'2026 213', '%Y %j'", "2026-08-01T00:00:00.000Z"},
               {"'1785578400.25', '%s.%L'", "2026-08-01T10:00:00.250Z"},
               {"'Sat  August   1 2026', '%a %B %e %Y'", "2026-08-01T00:00:00.000Z"},
               {"'100% 2026', '100%% %Y'", "2026-01-01T00:00:00.000Z"},
               {"'1 Aug 69', '%d %b %y'", "1969-08-01T00:00:00.000Z"},
               {"'2026-08-01 12:00', '%F %R', 'Europe/Berlin'", "2026-08-01T10:00:00.000Z"},
               {"'2026-08-01T12:00:00Z', '%FT%T%z', 'Europe/Berlin'", "2026-08-01T12:00:00.000Z"},
               {"'13:00 PM', '%I:%M %p'", "nil"},
               {"'2026 366', '%Y %j'", "nil"},
               {"'2028 366', '%Y %j'", "2028-12-31T00:00:00.000Z"},
               {"'2026-12-31 23:59:60', '%F %T'", "2027-01-01T00:00:00.000Z"},
               {"'', '%Y'", "nil"},
               {"'2026', '%Y-%m'", "nil"}});
  check({{"app.time.format(1785578400123, '%Y-%m-%dT%H:%M:%S.%L%:z')", "\"2026-08-01T10:00:00.123+00:00\""},
         {"app.time.format(1785578400123, '%y|%e|%k|%I|%p|%j|%s')", "\"26| 1|10|10|AM|213|1785578400\""},
         {"app.time.format(1785578400123, '%a %A %b %B %D %R %%')", "\"Sat Saturday Aug August 08/01/26 10:00 %\""},
         {"app.time.format(0, '%I %p')", "\"12 AM\""},
         {"app.time.format(-1, '%s')", "\"-1\""},
         {"app.time.format(-1, 'epoch')", "\"-1\""},
         {"app.time.format(-62135596800000)", "\"0001-01-01T00:00:00.000Z\""},
         {"app.time.format(253402300799999)", "\"9999-12-31T23:59:59.999Z\""},
         {"app.time.format(1.0)", "\"1970-01-01T00:00:00.001Z\""}});
}

TEST_CASE("unknown zones and directives, and times out of range, are errors that name them") {
  Surroundings lua;
  for (const auto& [expression, message] :
       Table{{"app.time.parse('2026-08-01', 'Europe/Berln')", "unknown time zone 'Europe/Berln'"},
             {"app.time.format(0, 'ISO')", "unknown time zone 'ISO'"},
             {"app.time.parts(0, ('y'):rep(15 << 20))", "unknown time zone 'yyyy"},
             {"app.time.parse('2026-08-01', ('y'):rep(15 << 20))", "unknown time zone 'yyyy"},
             {"app.time.format(0, ('%A'):rep(501))", "a format of 1002 bytes; the limit is 1000"},
             {"app.time.parse('', ('%A'):rep(501))", "a format of 1002 bytes; the limit is 1000"},
             {"app.time.parts(0, '')", "unknown time zone ''"},
             {"app.time.parts(0, '../../etc/passwd')", "unknown time zone '../../etc/passwd'"},
             {"app.time.parts(0, '+25:00')", "'+25:00' is no offset"},
             {"app.time.parse('x', '%Q')", "no directive '%Q'"},
             {"app.time.format(0, '%')", "no directive '%'"},
             {"app.time.format(0, '%Y', 'x')", "unknown time zone 'x'"},
             {"app.time.format(253402300800000)", "years 1 to 9999"},
             {"app.time.format(1.5)", "no integer representation"},
             {"app.time.format('now')", "number expected"},
             {"app.time.parse({})", "string expected"}}) {
    CAPTURE(expression);
    const std::string answer = lua.eval(expression);
    CHECK(answer.starts_with("error: test:1:"));
    CHECK(answer.find(message) != std::string::npos);
  }
}
