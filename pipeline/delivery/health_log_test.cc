#include "pipeline/delivery/health_log.h"

#include <doctest/doctest.h>

namespace penstock::delivery {
namespace {

const Condition kDown{Health::unavailable, "http_503"};
const Condition kWell{Health::healthy, {}};

SteadyTime at(int ms) { return SteadyTime{} + Duration{1'000'000 + ms}; }

HealthLog started() {
  HealthLog log("crm", at(0));
  CHECK_FALSE(log.changed(kWell, at(0)).has_value());
  return log;
}

std::string text(const std::optional<HealthLog::Line>& line) { return line ? line->text : "nothing"; }

}  // namespace

TEST_CASE("an outage is told at once, and its end with how long it was") {
  HealthLog log = started();
  CHECK(text(log.changed(kDown, at(1000))) == "destination crm is unavailable: http_503");
  CHECK(text(log.changed(kWell, at(9500))) == "destination crm is healthy again after 8.5 s");
  CHECK(text(log.due(at(60'000))) == "nothing");
}

TEST_CASE("the end of a short outage is told late, not never") {
  HealthLog log = started();
  CHECK(log.changed(kDown, at(1000))->level == LogLevel::warning);
  CHECK(text(log.changed(kWell, at(1200))) == "nothing");
  CHECK(text(log.due(at(5900))) == "nothing");
  const auto line = log.due(at(6000));
  CHECK(text(line) == "destination crm is healthy again after 0.2 s");
  CHECK(line->level == LogLevel::info);
}

TEST_CASE("one that flaps is a line in five seconds, with the number of changes") {
  HealthLog log = started();
  int lines = 0;
  for (int i = 0; i < 600; ++i) {
    lines += log.changed(i % 2 == 0 ? kDown : kWell, at(100 * i)).has_value() ? 1 : 0;
    if (i % 10 == 0) lines += log.due(at(100 * i)).has_value() ? 1 : 0;
  }
  CHECK(lines == 12);
  CHECK(text(log.changed(kDown, at(60'000))) ==
        "destination crm is unavailable: http_503; its health changed 50 times in the last 5 s");
}

TEST_CASE("what was held back is told when it ends") {
  HealthLog log = started();
  CHECK(log.changed(kDown, at(1000)).has_value());
  CHECK_FALSE(log.changed(kWell, at(1100)).has_value());
  CHECK(text(log.changed({Health::stopped, {}}, at(1200))) == "destination crm is healthy again after 0.1 s");
}

}  // namespace penstock::delivery
