#include "connectors/sources/http/body.h"

#include <doctest/doctest.h>

#include <vector>

using namespace penstock;
using namespace penstock::sources::http;

namespace {
using Bodies = std::vector<std::string>;

Bodies split(std::string text, BodyKind kind = BodyKind::json, std::size_t events_max = 100) {
  json::Validator validator;
  auto made = split_body(std::move(text), kind, events_max, validator);
  if (!made) return {"error: " + made.error().message};
  const PushedRecords records = *std::move(made);  // moved: the views must survive it
  return {records.bodies.begin(), records.bodies.end()};
}

bool fails(std::string text, BodyKind kind = BodyKind::json) {
  const auto bodies = split(std::move(text), kind);
  return bodies.size() == 1 && bodies[0].starts_with("error: ");
}
}  // namespace

TEST_CASE("one object, an array and lines give their records, bytes untouched") {
  struct Row {
    std::string text;
    Bodies bodies;
  };
  for (const auto& [text, bodies] : std::vector<Row>{{"{}", {"{}"}},
                                                     {" \n{\"a\": 1.0}\n\n", {"{\"a\": 1.0}"}},
                                                     {"\xef\xbb\xbf{}", {"{}"}},
                                                     {"{\n  \"a\": 1,\n  \"b\": {}\n}", {"{\n  \"a\": 1,\n  \"b\": {}\n}"}},
                                                     {"[]", {}},
                                                     {"[{\"a\":1e400}, {\"b\":[1,2]}]", {"{\"a\":1e400}", "{\"b\":[1,2]}"}},
                                                     {"[1, \"x\", {}]", {"1", "\"x\"", "{}"}},
                                                     {"[\n{},\n{}\n]", {"{}", "{}"}},
                                                     {"{\"a\":1}\n{\"b\":2}", {"{\"a\":1}", "{\"b\":2}"}},
                                                     {"{}\r\n\r\n  {}  \r\n", {"{}", "{}"}},
                                                     {"{}\nnot json\n{}\n", {"{}", "not json", "{}"}},
                                                     {"not json\n{}\n", {"not json", "{}"}},
                                                     {"{\"a\":\n{}\n", {"{\"a\":", "{}"}}}) {
    CAPTURE(text);
    CHECK(split(text) == bodies);
  }
}

TEST_CASE("a content type that says lines is believed, but an array is still an array") {
  CHECK(split("bad\nworse", BodyKind::ndjson) == Bodies{"bad", "worse"});
  CHECK(split("[{},{}]", BodyKind::ndjson) == Bodies{"{}", "{}"});
  CHECK(split("[\n{},\n{}\n]", BodyKind::ndjson) == Bodies{"{}", "{}"});
  CHECK(split("{\n\"a\":1}", BodyKind::ndjson) == Bodies{"{", "\"a\":1}"});
}

TEST_CASE("what is none of the three is an error as a whole") {
  for (const std::string text : {"", "  \r\n", "hello", "\"text\"", "17", "{", "[{}", "[{},]", "[{}] {}", "{} {}",
                                 "{\"a\":tru}", "{\n  \"a\": 1,\n  \"b\": oops\n}", "[\n{},\n{oops}\n]", "bad\nworse"}) {
    CAPTURE(text);
    CHECK(fails(text));
  }
  CHECK(fails("one bad line", BodyKind::ndjson));
  CHECK(split("") == Bodies{"error: the body is empty: send a JSON object, an array of them, or one per line"});
  CHECK(split("17") == Bodies{"error: the body is JSON, but neither an object nor an array of objects"});
}

TEST_CASE("more events than one request may have are refused, however they come") {
  const Bodies refused{"error: there are more than 3 events in one request; send fewer at a time"};
  CHECK(split("{}\n{}\n{}\n", BodyKind::json, 3).size() == 3);
  CHECK(split("{}\n{}\n{}\n{}", BodyKind::json, 3) == refused);
  CHECK(split("[{},{},{}]", BodyKind::json, 3).size() == 3);
  CHECK(split("[{},{},{},{}]", BodyKind::json, 3) == refused);
  CHECK(split(R"([{"a":",,\",","b":[1,2,3,4,{"c":5}]},{},{}])", BodyKind::json, 3).size() == 3);
}

TEST_CASE("content types of lines") {
  CHECK(body_kind("application/x-ndjson; charset=utf-8") == BodyKind::ndjson);
  CHECK(body_kind("Application/JSONL") == BodyKind::ndjson);
  CHECK(body_kind("application/json") == BodyKind::json);
  CHECK(body_kind("") == BodyKind::json);
}
