#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "pipeline/event/json.h"
#include "pipeline/event/json_grammar.h"

namespace penstock::json {
namespace {

using std::string_literals::operator""s;

std::string nested(int levels) { return R"({"a":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}"; }

// The message, or "valid".
std::string verdict(std::string_view text) {
  Validator validator;
  ObjectIndex index;
  const auto repairs = validator.validate(text, index);
  return repairs ? "valid" : repairs.error().message;
}

bool simdjson_accepts(const std::string& text) {
  simdjson::dom::parser parser;
  return parser.parse(text).error() == simdjson::SUCCESS;
}

}  // namespace

TEST_CASE("what the grammar allows passes, whatever its size") {
  const std::vector<std::string> documents{
      "{}",
      " \t\r\n{ } \n",
      R"({"a":1})",
      R"({"a":[]})",
      R"({"a":[{},[],"",0,-0,true,false,null]})",
      R"({"a":1e400})",
      R"({"a":-1E-400})",
      R"({"a":18446744073709551617})",
      R"({"a":1.0,"b":0.10e+5})",
      R"({"a":123456789012345678901234567890.5})",
      "{\"a\":" + std::string(5000, '9') + "}",
      R"({"":""})",
      R"({"a":"\u0000"})",
      R"({"a\u0000b":1})",
      R"({"a":"\"\\\/\b\f\n\r\t\u20ac"})",
      R"({"a":"\ud83d\ude00"})",
      "{\"a\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\xEE\x80\x80\x7F\"}",
      R"({"a":1,"a":2})",
      nested(127),
      nested(128)};
  for (const auto& document : documents) {
    CAPTURE(document);
    CHECK_EQ(verdict(document), "valid");
  }
}

TEST_CASE("what the grammar forbids is refused with the byte and the reason") {
  const std::vector<std::pair<std::string, std::string>> documents{
      {"", "byte 0: there is nothing but white space"},
      {" \n", "byte 2: there is nothing but white space"},
      {"\xEF\xBB\xBF{}", "byte 0: a byte order mark; send UTF-8 without one"},
      {R"({"a":tru})", "byte 5: expected 'true'"},
      {R"({"a":truex})", "byte 9: a literal is followed by 'x'"},
      {R"({"a":nul)", "byte 5: expected 'null'"},
      {R"({"a":NaN})", "byte 5: expected a value, found 'N'"},
      {R"({"a":01})", "byte 6: a number must not start with zero"},
      {R"({"a":-})", "byte 6: a number needs a digit here"},
      {R"({"a":+1})", "byte 5: expected a value, found '+'"},
      {R"({"a":.5})", "byte 5: expected a value, found '.'"},
      {R"({"a":1.})", "byte 7: a number needs a digit here"},
      {R"({"a":1.2.3})", "byte 8: a number is followed by '.'"},
      {R"({"a":1e})", "byte 7: a number needs a digit here"},
      {R"({"a":0x10})", "byte 6: a number is followed by 'x'"},
      {R"({"a":1} {"b":2})", "byte 8: something follows the end of the document"},
      {R"({}])", "byte 2: something follows the end of the document"},
      {"{}\0"s, "byte 2: something follows the end of the document"},
      {R"({"a":1,})", "byte 7: expected a key in quotes, found '}'"},
      {R"({"a":[1,]})", "byte 8: expected a value, found ']'"},
      {R"({"a" 1})", "byte 5: expected ':' after a key, found '1'"},
      {R"({"a":1 "b":2})", "byte 7: expected ',' or '}', found '\"'"},
      {R"({"a":[1}})", "byte 7: expected ',' or ']', found '}'"},
      {R"({a:1})", "byte 1: expected a key in quotes, found 'a'"},
      {R"({'a':1})", "byte 1: expected a key in quotes, found '''"},
      {R"({"a":1)", "byte 6: the text ends too early"},
      {R"({"a")", "byte 4: the text ends too early"},
      {R"({"a":"b)", "byte 7: a string is not closed"},
      {R"({"a":"b\)", "byte 7: a string is not closed"},
      {R"({"a":"\x41"})", "byte 6: no such escape: a backslash and 'x'"},
      {R"({"a":"\u12g4"})", "byte 6: \\u needs four hex digits"},
      {R"({"a":"\u12"})", "byte 6: \\u needs four hex digits"},
      {"{\"a\":\"b\nc\"}", "byte 7: a control character (0x0a) in a string must be escaped"},
      {"{\"a\":\"b\0c\"}"s, "byte 7: a control character (0x00) in a string must be escaped"},
      {"{\"a\":1\v}", "byte 6: a number is followed by byte 0x0b"},
      {"{\"a\":\xC2\xA0 1}", "byte 5: expected a value, found byte 0xc2"},
      {"{\"a\":\"\x80\"}", "byte 6: not valid UTF-8 (byte 0x80)"},
      {"{\"a\":\"\xC0\xAF\"}", "byte 6: not valid UTF-8 (byte 0xc0)"},
      {"{\"a\":\"\xC3\"}", "byte 6: not valid UTF-8 (byte 0xc3)"},
      {"{\"a\":\"\xE0\x80\xAF\"}", "byte 6: not valid UTF-8 (byte 0xe0)"},
      {"{\"a\":\"\xED\xA0\x80\"}", "byte 6: not valid UTF-8 (byte 0xed)"},
      {"{\"a\":\"\xE2\x82\"}", "byte 6: not valid UTF-8 (byte 0xe2)"},
      {"{\"a\":\"\xF0\x8F\xBF\xBF\"}", "byte 6: not valid UTF-8 (byte 0xf0)"},
      {"{\"a\":\"\xF4\x90\x80\x80\"}", "byte 6: not valid UTF-8 (byte 0xf4)"},
      {"{\"a\":\"\xF0\x9F\x98\"}", "byte 6: not valid UTF-8 (byte 0xf0)"},
      {"{\"a\":\"\xFF\"}", "byte 6: not valid UTF-8 (byte 0xff)"},
      {"[1,2]", "byte 0: an event must be an object"},
      {"  17", "byte 2: an event must be an object"},
      {nested(129), "byte 132: nested deeper than 128 levels"}};
  for (const auto& [document, problem] : documents) {
    CAPTURE(document);
    CHECK_EQ(verdict(document), "invalid JSON at " + problem);
  }
}

TEST_CASE("a text over the limit is refused before it is read") {
  Validator validator({.bytes_max = 10, .depth_max = 2});
  ObjectIndex index;
  CHECK(validator.validate(R"({"a":1234})", index));
  const auto refused = validator.validate(R"({"a":12345})", index);
  REQUIRE_FALSE(refused);
  CHECK_EQ(refused.error().kind, ErrorKind::limit);
  CHECK_EQ(refused.error().message, "11 bytes of JSON are more than the limit of 10 bytes");
  CHECK(validator.validate(R"({"a":[]})", index));
  CHECK_FALSE(validator.validate(R"({"a":[[]]})", index));
}

TEST_CASE("half a surrogate pair is replaced and counted, and every other byte stays") {
  const std::vector<std::pair<std::string, std::string>> strings{{R"(\ud83d)", R"(\ufffd)"},
                                                                 {R"(\uDE00)", R"(\ufffd)"},
                                                                 {R"(\ude00\ud83d)", R"(\ufffd\ufffd)"},
                                                                 {R"(\ud83d\ud83d\ude00)", R"(\ufffd\ud83d\ude00)"},
                                                                 {R"(\ud83d\u0041)", R"(\ufffd\u0041)"},
                                                                 {R"(\\\ud83d)", R"(\\\ufffd)"},
                                                                 {R"(\\ud83d)", R"(\\ud83d)"}};
  Validator validator;
  ObjectIndex index;
  for (const auto& [sent, kept] : strings) {
    CAPTURE(sent);
    const auto body = R"({ "k":1.0 ,"v":")" + sent + R"("})";
    const auto repairs = validator.validate(body, index);
    REQUIRE(repairs);
    CHECK_EQ(index.text(), R"({ "k":1.0 ,"v":")" + kept + R"("})");
    CHECK_EQ(repairs->lone_surrogates > 0, sent != kept);
  }
}

TEST_CASE("text that needs no repair is never copied") {
  const std::string body = "  {\"a\" : [1, 2] } ";
  Validator validator;
  ObjectIndex index;
  REQUIRE(validator.validate(body, index));
  CHECK_EQ(index.text().data(), body.data() + 2);
  CHECK_EQ(index.text(), "{\"a\" : [1, 2] }");
}

TEST_CASE("any value passes as a request body, and its elements outlive the validation of each") {
  Validator validator;
  Repairs repairs;
  const auto value = validator.validate_value(" [{\"a\":\"\\ud83d\"},{\"b\":\"\\\\\"}] ", &repairs);
  REQUIRE(value);
  CHECK_EQ(repairs.lone_surrogates, 1);
  std::vector<std::string_view> elements;
  REQUIRE(index_array(*value, elements));
  ObjectIndex index;
  for (const auto element : elements) CHECK(validator.validate(element, index));
  CHECK_EQ(elements[0], R"({"a":"\ufffd"})");
  CHECK(validator.validate_value("17"));
  CHECK_FALSE(validator.validate_value("17 18"));
}

TEST_CASE("hostile documents of a megabyte take linear time") {
  const std::size_t size = (1 << 20) - 16;
  std::string keys = "{";
  for (int i = 0; keys.size() < size; ++i) keys += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  std::string escaped_keys = "{";
  for (int i = 0; escaped_keys.size() < size; ++i)
    escaped_keys += (i ? ",\"\\u0041" : "\"\\u0041") + std::to_string(i) + "\":0";
  const std::vector<std::pair<std::string, bool>> documents{{std::string(size, '['), false},
                                                            {std::string(size, ' ') + "{}", true},
                                                            {R"({"a":")" + std::string(size, 'x') + "\"}", true},
                                                            {R"({"a":")" + std::string(size, '\\') + "\"}", true},
                                                            {R"({"a":")" + std::string(size, '"') + "\"}", false},
                                                            {R"({"a":)" + std::string(size, '1') + "}", true},
                                                            {keys + "}", true},
                                                            {escaped_keys + "}", true}};
  Validator validator;
  ObjectIndex index;
  for (const auto& [document, valid] : documents) {
    CAPTURE(document.substr(0, 20));
    CHECK_EQ(validator.validate(document, index).has_value(), valid);
  }
}

TEST_CASE("the fast parser and the walk agree about documents broken at random") {
  const std::vector<std::string> seeds{
      R"({"event":"$pageview","distinct_id":"user-1","properties":{"a":[1,-2.5e3,true,null],"b":{"c":"d\n\u00e9"}}})",
      R"( { "a" : [ [ ] , { } , "" , 0 , false ] , "a" : "\ud83d\ude00" } )",
      "{\"k\":\"\xC3\xA9\xF0\x9F\x98\x80\",\"n\":-0.0}"};
  constexpr std::string_view kBytes = "{}[]:,\"\\ \n0123456789-+.eEtrufalsn/\x80\xC3\xE2\xED\xF0\x01x";
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Validator validator;
  ObjectIndex index;
  int valid = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (auto changes = random() % 3; changes > 0 && !text.empty(); --changes) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = kBytes[random() % kBytes.size()]; break;
        case 1: text.erase(at, 1 + random() % 3); break;
        default: text.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    CAPTURE(text);
    const bool grammatical = !find_grammar_problem(text, 128);
    const bool accepted = validator.validate_value(text).has_value();
    // Only what simdjson holds to be too large a number, and half surrogate pairs, may differ.
    if (grammatical) REQUIRE(accepted);
    if (accepted && !grammatical) REQUIRE(text.find("\\ud") != std::string::npos);
    if (simdjson_accepts(text)) REQUIRE(accepted);
    if (validator.validate(text, index)) ++valid;
  }
  CHECK(valid > 1000);
}

}  // namespace penstock::json
