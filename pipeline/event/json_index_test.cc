#include <doctest/doctest.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/event/json.h"

namespace penstock::json {
namespace {

// "key=value" of every member, joined by '|'.
std::string members_of(const ObjectIndex& index) {
  std::string text;
  for (const auto& member : index.members()) text += std::string(member.key) + "=" + std::string(member.value) + "|";
  return text;
}

std::string indexed(std::string_view object) {
  ObjectIndex index;
  const auto done = index_object(object, index);
  return done ? members_of(index) : done.error().message;
}

// Nanoseconds of the processor that it takes, the shortest of three.
template <class Work>
std::int64_t time_of(Work work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  std::int64_t shortest = INT64_MAX;
  for (int round = 0; round < 3; ++round) {
    const std::int64_t start = now();
    work();
    shortest = std::min(shortest, now() - start);
  }
  return shortest;
}

}  // namespace

TEST_CASE("members stand in document order with their bytes as received") {
  CHECK_EQ(indexed("{}"), "");
  CHECK_EQ(indexed(" { \"a\" : 1.0 ,\n\"b\":[ 1, {\"]\":\"}\"} ] , \"c\":\"\\\"\" } "),
           "a=1.0|b=[ 1, {\"]\":\"}\"} ]|c=\"\\\"\"|");
  CHECK_EQ(indexed(R"({"n":18446744073709551617,"m":1e400,"e":{},"l":[],"z":null,"t":true})"),
           "n=18446744073709551617|m=1e400|e={}|l=[]|z=null|t=true|");
}

TEST_CASE("what validation remembers leads to the same members as reading again") {
  Validator validator;
  ObjectIndex index;
  const std::string body =
      " \n{ \"p\" : { \"a\" : [ 1 , { \"]\" : \"}\" } , [ ] , \"\\\"{\" ] , \"b\\u0041\":{},\"a\" : 2.0 } , \"l\":[[],{} , "
      "null ],\"e\":{ } }\t";
  REQUIRE(validator.validate(body, index).has_value());
  for (const Member& member : index.members()) {
    ObjectIndex nested;
    std::vector<std::string_view> elements;
    std::vector<std::string_view> elements_read;
    if (kind_of(member.value) == Kind::array) {
      REQUIRE(index.index_nested(member.value, elements).has_value());
      REQUIRE(index_array(member.value, elements_read).has_value());
      CHECK(elements == elements_read);
    } else {
      REQUIRE(index.index_nested(member.value, nested).has_value());
      CHECK_EQ(members_of(nested), indexed(member.value));
    }
  }
  ObjectIndex foreign;
  REQUIRE(index.index_nested(R"({"x":1})", foreign).has_value());
  CHECK_EQ(members_of(foreign), "x=1|");
}

TEST_CASE("values end where they end, wherever a block of sixty-four bytes does") {
  for (std::size_t length = 0; length < 150; ++length) {
    const std::string pad(length, 'p');
    for (const auto* tail : {R"(")", R"(\")", R"(\\)", R"(\\\"{[)", R"(]})"}) {
      const std::string text = tail == std::string_view(R"(")") ? pad : pad + tail;
      const std::string value = R"({"k":[")" + text + R"(",{"x":"}"}],"s":")" + text + R"("})";
      CAPTURE(value);
      CHECK_EQ(indexed(R"({"a":)" + value + R"(,"b":2})"), "a=" + value + "|b=2|");
    }
  }
}

TEST_CASE("a key that comes again stands once, at its first place, with its last value") {
  const std::vector<std::pair<std::string, std::string>> objects{{R"({"a":1,"b":2,"a":3})", "a=3|b=2|"},
                                                                 {R"({"a":1,"a":2,"a":3,"b":4,"b":5})", "a=3|b=5|"},
                                                                 {R"({"a":1,"\u0061":2})", "a=2|"},
                                                                 {R"({"\u0061":1,"a":2,"b":3})", "\\u0061=2|b=3|"},
                                                                 {R"({"":1,"":2})", "=2|"}};
  for (const auto& [object, members] : objects) {
    CAPTURE(object);
    CHECK_EQ(indexed(object), members);
  }
  Validator validator;
  ObjectIndex index;
  CHECK_EQ(validator.validate(objects[1].first, index)->duplicate_keys, 3);
}

TEST_CASE("repeats are found among few keys and among many") {
  for (const int count : {2, 17, 127, 128, 129, 1000}) {
    CAPTURE(count);
    std::string object = "{";
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < count; ++i) {
        object += (object.size() > 1 ? ",\"" : "\"") + std::string(i % 7 == 3 && round == 1 ? "\\u006b" : "k") +
                  std::to_string(i) + "\":" + std::to_string(round * 10'000 + i);
      }
    }
    object += '}';
    Validator validator;
    ObjectIndex index;
    const auto repairs = validator.validate(object, index);
    REQUIRE(repairs);
    CHECK_EQ(repairs->duplicate_keys, count);
    REQUIRE_EQ(index.members().size(), count);
    CHECK_EQ(index.find("k1")->value, "10001");
    CHECK_EQ(index.members()[1].key, "k1");
  }
}

TEST_CASE("a repeat is found before and behind the first key that is escaped") {
  CHECK_EQ(indexed(R"({"a":1,"a":2,"b":3,"\u0061":4,"c":5,"\u0063":6,"b":7,"c":8})"), "a=4|b=7|c=8|");
  CHECK_EQ(indexed(R"({"\u0061":1,"\u0062":2,"a":3,"\u0061":4,"b":5})"), "\\u0061=4|\\u0062=5|");
}

TEST_CASE("long keys that are escaped are unescaped once, not once for each other key") {
  std::string object = "{";
  for (int i = 100; i < 226; ++i) {
    object += i > 100 ? ",\"" : "\"";
    for (int letter = 0; letter < 500; ++letter) object += "\\u0041";
    object += std::to_string(i) + "\":0";
  }
  object += '}';
  ObjectIndex index;
  REQUIRE(index_object(object, index));
  const auto unescaping = time_of([&] {
    std::string scratch;
    for (const Member& member : index.members()) REQUIRE_EQ(unescaped_key(member, scratch).size(), 503);
  });
  const auto indexing = time_of([&] { REQUIRE(index_object(object, index)); });
  CHECK_EQ(index.members().size(), 126);
  CHECK_LT(indexing, 20 * unescaping);
}

TEST_CASE("members are found by the text of their key") {
  ObjectIndex index;
  REQUIRE(index_object(R"({"plain":1,"esc\u0061ped \"key\"":2,"nul\u0000":3})", index));
  CHECK_EQ(index.find("plain")->value, "1");
  CHECK_EQ(index.find("escaped \"key\"")->value, "2");
  CHECK_EQ(index.find(std::string_view("nul\0", 4))->value, "3");
  CHECK(index.find("none") == nullptr);
}

TEST_CASE("a dotted path leads to the nested value") {
  ObjectIndex index;
  REQUIRE(index_object(R"({"a":{"b":{"c":[1]},"b2":"x","b2":"y","\u0062\u0033":7},"n":null,"l":[{"a":1}],"s":"{"})", index));
  CHECK_EQ(find_path(index, "a.b.c"), "[1]");
  CHECK_EQ(find_path(index, "a.b"), R"({"c":[1]})");
  CHECK_EQ(find_path(index, "a.b2"), "\"y\"");
  CHECK_EQ(find_path(index, "a.b3"), "7");
  for (const auto* path : {"", ".", "a.", "a.x", "a.b.c.d", "n.x", "l.a", "s.a", "x.y"}) {
    CAPTURE(path);
    CHECK_FALSE(find_path(index, path));
  }
}

TEST_CASE("the elements of an array stand in order") {
  std::vector<std::string_view> elements;
  REQUIRE(index_array(" [ 1 , \"],\" , [2,[3]] , {\"a\":[]} ] ", elements));
  CHECK(elements == std::vector<std::string_view>{"1", "\"],\"", "[2,[3]]", "{\"a\":[]}"});
  REQUIRE(index_array("[]", elements));
  CHECK(elements.empty());
}

TEST_CASE("damaged text is an error and never a read past its end") {
  const std::string whole = R"({"a":{"b":["c\"d",1]},"e":"f","g":17})";
  ObjectIndex index;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto indexing = index_object(whole.substr(0, cut), index);
    REQUIRE_FALSE(indexing);
    CHECK_EQ(indexing.error().kind, ErrorKind::corrupt);
  }
  std::vector<std::string_view> elements;
  for (const auto* array : {"", "[", "]", "[1", "1]", "[1 2]", "[,]", "[1,]", "[\"]", "[[]"}) {
    CAPTURE(array);
    CHECK_FALSE(index_array(array, elements));
  }
}

}  // namespace penstock::json
