#include "pipeline/event/envelope.h"

#include <doctest/doctest.h>

using namespace penstock;

TEST_CASE("an envelope has the facts beside the untouched body") {
  EventView event;
  event.facts.uuid = *Uuid::parse("019a0000-0000-7000-8000-000000000001");
  event.facts.project = "shop";
  event.facts.event = "a \"quoted\" name";
  event.facts.source = "web";
  event.facts.timestamp = Timestamp{1'785'578'400'123};
  event.facts.received_at = Timestamp{1'785'578'401'000};
  event.body = R"({ "n": 1.0, "big": 1e400 })";
  std::string out = "[";
  append_envelope(out, event);
  CHECK(out == R"([{"uuid":"019a0000-0000-7000-8000-000000000001","project":"shop","event":"a \"quoted\" name",)"
               R"("timestamp":"2026-08-01T10:00:00.123Z","received_at":"2026-08-01T10:00:01.000Z","source":"web",)"
               R"("data":{ "n": 1.0, "big": 1e400 }})");

  event.facts.distinct_id = "u1";
  event.facts.person_id = "p1";
  out.clear();
  append_envelope(out, event);
  CHECK(out.contains(R"("distinct_id":"u1","person_id":"p1","timestamp")"));
}

TEST_CASE("a line has no line break within, whatever was sent, and the bytes of the rest") {
  EventView event;
  event.body = "{\n  \"a\": 1.0,\r\n\"b\": \"\\n\"}";
  std::string out = "first\n";
  append_line(out, event, false);
  CHECK(out == "first\n{   \"a\": 1.0,  \"b\": \"\\n\"}\n");
  out.clear();
  append_line(out, event, true);
  CHECK(out.ends_with(",\"data\":{   \"a\": 1.0,  \"b\": \"\\n\"}}\n"));
  CHECK(out.find('\n') == out.size() - 1);
}
