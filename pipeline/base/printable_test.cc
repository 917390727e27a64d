#include "pipeline/base/printable.h"

#include <doctest/doctest.h>

namespace penstock {

using namespace std::string_view_literals;

TEST_CASE("text stays as it is, in every language") {
  for (const auto text : {"", "plain {\"a\":\"\\n\"} text", "Grüße, 日本語, 🙂, \xf4\x8f\xbf\xbf"})
    CHECK(printable(text) == text);
}

TEST_CASE("nothing that others chose moves a cursor, colours, or begins a line") {
  struct Shown {
    std::string_view text, shown;
  };
  for (const auto& [text, shown] : {
           Shown{"\x1b[2J\x1b]0;owned\x07", R"(\x1b[2J\x1b]0;owned\x07)"},
           {"ok\nerror forged: line\r", R"(ok\nerror forged: line\r)"},
           {"a\tb\0c\x7f"sv, R"(a\tb\x00c\x7f)"},
           {"\xc2\x9b"
            "31m",
            R"(\x9b31m)"},
           {"\xe2\x80\xae txt.exe \xe2\x80\xa8 \xe2\x81\xa6", R"(\u202e txt.exe \u2028 \u2066)"},
       })
    CHECK(printable(text) == shown);
}

TEST_CASE("bytes that are no UTF-8 are shown one by one") {
  CHECK(printable("\x9b"
                  "31m") == R"(\x9b31m)");
  CHECK(printable("a\xc3") == R"(a\xc3)");
  CHECK(printable("\xc0\x9b") == R"(\xc0\x9b)");
  CHECK(printable("\xe0\x80\x9b|\xed\xa0\x80|\xf4\x90\x80\x80") == R"(\xe0\x80\x9b|\xed\xa0\x80|\xf4\x90\x80\x80)");
}

TEST_CASE("a text of several lines keeps them") { CHECK(printable_lines("a\n\tb\r\x1b") == "a\n\tb\\r\\x1b"); }

}  // namespace penstock
