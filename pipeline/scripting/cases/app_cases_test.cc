#include "pipeline/scripting/cases/app_cases.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>

#include "pipeline/scripting/cases/json_diff.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;

TEST_CASE("every app in plugins/ passes its own cases, of which there are at least five") {
  int apps = 0;
  for (const auto& entry : std::filesystem::directory_iterator("plugins")) {
    if (!entry.is_directory()) continue;
    CAPTURE(entry.path());
    std::ostringstream report;
    const auto counts = run_cases(entry.path().string(), report);
    REQUIRE_MESSAGE(counts.has_value(), (counts ? "" : counts.error().message));
    CHECK_MESSAGE(counts->failed == 0, report.str());
    CHECK(counts->passed >= 5);
    CHECK(std::filesystem::exists(entry.path() / "README.md"));
    ++apps;
  }
  CHECK(apps >= 16);
}

TEST_CASE("a failing case says what differs and where it stands") {
  const scripting::testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", scripting::testing::transform("event.n = 1 if event.bad then error('bad') end return event"));
  folder.write("cases.yaml", R"(
- { name: right, in: { event: e }, out: { n: 1, event: e } }
- { name: wrong number, in: { event: e, s: x }, out: { event: e, n: 1.0, s: "y", t: [1] } }
- { name: not dropped, in: { event: e }, out: drop }
- { name: no error, in: { event: e }, out: "error: x" }
- { name: an error, in: { event: e, bad: true }, out: drop }
- { name: the right error, in: { event: e, bad: true }, out: "error: bad" }
- { name: unknown setting, with: { x: 1 }, in: { event: e }, out: drop }
)");
  std::ostringstream report;
  const auto counts = run_cases(folder.path(), report).value();
  CHECK(counts.passed == 2);
  CHECK(counts.failed == 5);
  const std::string text = report.str();
  for (const char* part : {"cases.yaml:3:3: wrong number", "n: expected 1.0, got 1\n", "s: expected \"y\", got \"x\"",
                           "t: expected [1], got nothing", "expected drop, got {\"event\":\"e\",\"n\":1}",
                           "expected error: x, got", "expected no error, got app.lua:3: bad", "unknown setting"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("no two events of a case have the same uuid, one that is no event by itself neither") {
  const scripting::testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua",
               "local seen, M = {}, {}\nfunction M.transform(event)\n  local uuid = event:facts().uuid\n"
               "  if seen[uuid] then error('again') end\n  seen[uuid] = true\n  return event\nend\nreturn M\n");
  folder.write("cases.yaml",
               "- { name: three, in: [{ n: 1 }, { event: e }, { n: 2 }], out: [{ n: 1 }, { event: e }, { n: 2 }] }\n");
  std::ostringstream report;
  const auto counts = run_cases(folder.path(), report).value();
  CAPTURE(report.str());
  CHECK(counts.passed == 1);
}

TEST_CASE("a case may say what time it is and what must be logged") {
  const scripting::testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", scripting::testing::transform("event.at = app.now() app.log('one') app.log('two') return event"));
  folder.write("cases.yaml", R"(
- { name: right, now: "2026-03-01T12:00:00Z", in: { event: e }, out: { event: e, at: 1772366400000 }, log: [one, two] }
- { name: wrong order, in: { event: e }, out: { event: e, at: 1767225600000 }, log: [two, one] }
- { name: silent, in: { event: e }, out: { event: e, at: 1767225600000 }, log: [] }
)");
  std::ostringstream report;
  const auto counts = run_cases(folder.path(), report).value();
  CHECK(counts.passed == 1);
  for (const char* part : {"expected a line with \"one\" in the log, got \"one\", \"two\"", "expected no line in the log"}) {
    CAPTURE(report.str());
    CHECK(report.str().find(part) != std::string::npos);
  }
}

TEST_CASE("cases that cannot be read are an error with its place") {
  const scripting::testing::TempFolder folder;
  folder.write("cases.yaml", "- { name: x, in: {}, out: drop, what: 1 }\n");
  std::ostringstream report;
  CHECK(run_cases(folder.path(), report).error().message.find("cases.yaml:1:") != std::string::npos);
  folder.write("cases.yaml", "- { name: x, in: {}, out: drop, now: soon }\n");
  CHECK(run_cases(folder.path(), report).error().message.find("cases.yaml:1:") != std::string::npos);
  folder.write("cases.yaml", "name: x\n");
  CHECK(run_cases(folder.path(), report).error().message.find("expected a list of cases") != std::string::npos);
}

TEST_CASE("differences look at meaning, and at numbers as written") {
  CHECK(differences(R"({"a":1,"b":"\u00e9"})", "{\"b\":\"\xc3\xa9\", \"a\":1}").empty());
  CHECK(differences(R"({"a":1})", R"({"a":1.0})").size() == 1);
  CHECK(differences(R"({"a":[1,2]})", R"({"a":[2,1]})").size() == 2);
  CHECK(differences(R"({"a":null})", R"({})").size() == 1);
  CHECK(differences(R"({"a":[]})", R"({"a":{}})").size() == 1);
}
