#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event/json.h"

namespace penstock::json {

using std::string_literals::operator""s;

TEST_CASE("a text is plain when no byte of it, wherever it is, needs an escape") {
  for (std::size_t size = 0; size <= 40; ++size) {
    std::string text(size, 'x');
    CHECK(json::is_plain(text));
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        text[at] = static_cast<char>(byte);
        const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
        if (json::is_plain(text) != plain) FAIL("byte ", byte, " at ", at, " of ", size);
      }
      text[at] = 'x';
    }
  }
}

TEST_CASE("a raw value shows its kind by its first byte") {
  CHECK_EQ(kind_of("null"), Kind::null);
  CHECK_EQ(kind_of("true"), Kind::boolean);
  CHECK_EQ(kind_of("false"), Kind::boolean);
  CHECK_EQ(kind_of("-1"), Kind::number);
  CHECK_EQ(kind_of("\"\""), Kind::string);
  CHECK_EQ(kind_of("[]"), Kind::array);
  CHECK_EQ(kind_of("{}"), Kind::object);
}

TEST_CASE("strings lose their escapes and nothing else") {
  const std::vector<std::pair<std::string, std::string>> strings{{R"("")", ""},
                                                                 {R"("plain é")", "plain é"},
                                                                 {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
                                                                 {R"("\u0041\u00e9\u20ac\ud83d\ude00")", "Aé€😀"},
                                                                 {R"("a\u0000b")", "a\0b"s}};
  std::string scratch;
  for (const auto& [raw, text] : strings) {
    CAPTURE(raw);
    CHECK_EQ(unescape(raw, scratch), text);
    std::string again;
    append_string(again, text);
    CHECK_EQ(unescape(again, scratch), text);
  }
  const std::string plain = "\"no escapes\"";
  CHECK_EQ(unescape(plain, scratch).data(), plain.data() + 1);
}

TEST_CASE("any bytes become a valid JSON string") {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"", R"("")"},
      {"a\"b\\c/", R"("a\"b\\c/")"},
      {"\n\r\t\b\f\x01\x1F\x7F"s, "\"\\n\\r\\t\\b\\f\\u0001\\u001f\x7F\""},
      {"\0"s, R"("\u0000")"},
      {"é\x80ü\xFF", R"("é\ufffdü\ufffd")"},
      {"\xED\xA0\x80", R"("\ufffd\ufffd\ufffd")"},
      {"\xF0\x9F\x98", R"("\ufffd\ufffd\ufffd")"}};
  Validator validator;
  for (const auto& [text, raw] : texts) {
    std::string out;
    append_string(out, text);
    CHECK_EQ(out, raw);
    CHECK(validator.validate_value(out));
  }
}

TEST_CASE("a JSON string that becomes too long is not written to its end") {
  for (const auto& text : {std::string(1 << 20, '\1'), std::string(1 << 20, '\xFF'), std::string(1 << 20, '"')}) {
    std::string out;
    CHECK_FALSE(append_string(out, text, 1 << 20));
    CHECK_LT(out.size(), (1 << 20) + 16);
  }
  std::string out = "[";
  CHECK_FALSE(append_string(out, std::string(10, 'a'), 12));
  out = "[";
  CHECK(append_string(out, std::string(10, 'a'), 13));
  CHECK_EQ(out, "[\"aaaaaaaaaa\"");
  out = "[";
  CHECK(append_string(out, "\"é", 7));
  CHECK_EQ(out, "[\"\\\"é\"");
  CHECK_FALSE(append_string(out, "", 8));
}

TEST_CASE("compact text has no white space outside of strings") {
  std::string out;
  append_compact(out, "{ \"a b\" : [ 1 ,\n\t2.50 ] , \"c\\\" \":\"\" }");
  CHECK_EQ(out, "{\"a b\":[1,2.50],\"c\\\" \":\"\"}");
}

TEST_CASE("only what is written as an integer and fits is one") {
  CHECK_EQ(to_int64("0"), 0);
  CHECK_EQ(to_int64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  CHECK_EQ(to_int64("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  for (const auto* raw : {"9223372036854775808", "1.0", "1e2", "-9223372036854775809", ""}) {
    CAPTURE(raw);
    CHECK_FALSE(to_int64(raw));
  }
}

TEST_CASE("a number is the nearest double, zero when too small, and nothing when too large") {
  CHECK_EQ(to_double("0.1"), 0.1);
  CHECK_EQ(to_double("18446744073709551617"), 18446744073709551616.0);
  CHECK_EQ(to_double("5e-324"), 5e-324);
  for (const auto* raw : {"1e-400", "0.1e-399", "-1e-99999999999999999999", "0e999999999999999999999"}) {
    CAPTURE(raw);
    CHECK_EQ(to_double(raw), 0.0);
  }
  CHECK(std::signbit(*to_double("-1e-400")));
  for (const auto* raw : {"1e400", "-1e400", "1e99999999999999999999", "10e308", "", "x"}) {
    CAPTURE(raw);
    CHECK_FALSE(to_double(raw));
  }
  CHECK_FALSE(to_double(std::string(400, '9')));
  CHECK_EQ(to_double("0." + std::string(400, '0') + "1"), 0.0);
}

}  // namespace penstock::json
