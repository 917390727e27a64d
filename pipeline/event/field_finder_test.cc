#include "pipeline/event/field_finder.h"

#include <doctest/doctest.h>

#include <random>

#include "pipeline/event/json.h"

using namespace penstock;
using Place = json::FieldFinder::Place;

namespace {

// "nowhere", "absent", or the bytes.
std::string found(std::string_view body, const std::vector<std::string>& path) {
  json::FieldFinder finder;
  const auto number = finder.want(path);
  if (!finder.find(body)) return "damaged";
  const auto& field = finder.field(number);
  return field.place == Place::present ? std::string(field.raw) : field.place == Place::absent ? "absent" : "nowhere";
}

}  // namespace

TEST_CASE("fields are found at any depth, as they were received") {
  CHECK(found(R"({"a":1.0})", {"a"}) == "1.0");
  CHECK(found(R"( { "a" : [1 , 2] , "b" : { "c" : "x\"y" } } )", {"b", "c"}) == R"("x\"y")");
  CHECK(found(R"({"b":{"c":{"d":{"e":null}}}})", {"b", "c", "d"}) == R"({"e":null})");
  CHECK(found(R"({"b":{"c":{"d":{"e":null}}}})", {"b", "c", "d", "e"}) == "null");
  CHECK(found("{}", {"a"}) == "absent");
  CHECK(found(R"({"b":{}})", {"b", "c"}) == "absent");
  CHECK(found(R"({"a":1})", {"b", "c"}) == "nowhere");
  CHECK(found(R"({"b":[{"c":1}]})", {"b", "c"}) == "nowhere");
  CHECK(found(R"({"b":{"d":{}}})", {"b", "c", "d"}) == "nowhere");
  CHECK(found(R"({"x":{"c":1},"a":"b"})", {"c"}) == "absent");
}

TEST_CASE("of a key that comes more than once the last counts, with all that is in it") {
  CHECK(found(R"({"a":1,"a":2})", {"a"}) == "2");
  CHECK(found(R"({"b":{"c":1},"b":{"c":2}})", {"b", "c"}) == "2");
  CHECK(found(R"({"b":{"c":1},"b":{}})", {"b", "c"}) == "absent");
  CHECK(found(R"({"b":{"c":1},"b":5})", {"b", "c"}) == "nowhere");
  CHECK(found(R"({"b":{"c":{"d":1}},"b":{"c":2}})", {"b", "c", "d"}) == "nowhere");
}

TEST_CASE("a key may be written with escapes") {
  CHECK(found(R"({"\u0061":1})", {"a"}) == "1");
  CHECK(found(R"({"a\"":1})", {"a\""}) == "1");
  CHECK(found(R"({"a\"":1})", {"a"}) == "absent");
}

TEST_CASE("several fields come from one walk, and one within another") {
  json::FieldFinder finder;
  const auto whole = finder.want({"p"});
  const auto inner = finder.want({"p", "x"});
  const auto other = finder.want({"q"});
  CHECK(finder.want({"p", "x"}) == inner);
  REQUIRE(finder.find(R"({"p":{"x":7,"y":8},"q":true})"));
  CHECK(finder.field(whole).raw == R"({"x":7,"y":8})");
  CHECK(finder.field(inner).raw == "7");
  CHECK(finder.field(other).raw == "true");
  REQUIRE(finder.find(R"({"q":false})"));
  CHECK(finder.field(whole).place == Place::absent);
  CHECK(finder.field(inner).place == Place::nowhere);
  CHECK(finder.field(other).raw == "false");
}

TEST_CASE("keys and values that look alike are told apart, wherever in the text they stand") {
  // Of every length before, so that each of them lies across the border of a block at some time.
  for (std::size_t before = 0; before < 130; ++before) {
    const std::string padding(before, 'x');
    const auto body = [&](std::string_view rest) { return R"({"pad":")" + padding + R"(",)" + std::string(rest) + "}"; };
    CAPTURE(before);
    CHECK(found(body(R"("b":{"cc":1,"c":2,"d":{"c":3}},"c":4)"), {"b", "c"}) == "2");
    CHECK(found(body(R"("b":{"x":"c","c":"\\"}})"), {"b", "c"}) == "damaged");
    CHECK(found(body(R"("b":{"x":"c","c":"\\"})"), {"b", "c"}) == R"("\\")");
    CHECK(found(body(R"("b":{"x":"{\"c\":1","c":2})"), {"b", "c"}) == "2");
    CHECK(found(body(R"("b":{"x":"[{","c":[1,{"c":2}]})"), {"b", "c"}) == R"([1,{"c":2}])");
    CHECK(found(body(R"("b" : {"c" : 2})"), {"b", "c"}) == "2");
    CHECK(found(body(R"("b":  {"c": 2 ,"x":":"})"), {"b", "c"}) == "2");
    CHECK(found(body(R"("x":{"b":{"c":1}},"b":{})"), {"b", "c"}) == "absent");
    CHECK(found(body(R"("b":{"":1})"), {"b", ""}) == "1");
    CHECK(found(body(R"("b":{"x":"y","z":1})"), {"b", "x\":\"y\",\"z"}) == "absent");
    CHECK(found(body(R"("b":[{"c":1}],"c":{"b":{"c":1}})"), {"b", "c"}) == "nowhere");
  }
}

TEST_CASE("damaged text is told, and never read past its end") {
  const std::string whole = R"({"a":{"b":[1,{"c":"d"}]},"e":"f\n","g":12})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);  // of its own, so that the sanitizer sees its end
    CHECK(found(cut, {"a", "b"}) == "damaged");
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    found(damaged, {"a", "b"});
  }
}
