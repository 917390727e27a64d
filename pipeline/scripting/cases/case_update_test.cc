#include "pipeline/scripting/cases/case_update.h"

#include <doctest/doctest.h>

#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

// An app that does what its events say, and its cases.
class Fixture {
 public:
  Fixture() {
    folder_.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
    folder_.write("app.lua", testing::transform(R"(
      if event.drop then return nil end
      if event.fail then error('it is "bad"', 0) end
      if event.twice then return { { event = "a", n = 1 }, { event = "b", s = "x: y" } } end
      event.n = 1
      return event)"));
  }

  UpdatedCases update(const std::string& cases) {
    folder_.write("cases.yaml", cases);
    const CaseFile file = read_case_file(folder_.path()).value();
    std::vector<CaseOutcome> outcomes;
    for (const AppCase& one : file.cases) outcomes.push_back(run_case(folder_.path(), one, nullptr));
    return update_cases(file, outcomes);
  }

 private:
  testing::TempFolder folder_;
};

}  // namespace

TEST_CASE("an update rewrites only the out of failing cases, in its style") {
  const struct {
    const char* before;
    const char* after;
  } table[] = {
      // In braces, with neighbours and comments.
      {"# top\n- { name: x, in: { event: e }, out: { event: e } } # why\n- { name: y, in: { event: e }, out: {event: e, n: "
       "1} }\n",
       "# top\n- { name: x, in: { event: e }, out: { event: e, n: 1 } } # why\n- { name: y, in: { event: e }, out: {event: "
       "e, n: 1} }\n"},
      {"- { out: drop, name: x, in: { event: e } }\n", "- { out: { event: e, n: 1 }, name: x, in: { event: e } }\n"},
      {"- name: x\n  out: drop   # not any more\n  in: { event: e }\n",
       "- name: x\n  out: { event: e, n: 1 }   # not any more\n  in: { event: e }\n"},
      // Values of several lines in braces become one line.
      {"- name: x\n  in: { event: e }\n  out: { event: e,\n         n: 2 }\n\n# end\n",
       "- name: x\n  in: { event: e }\n  out: { event: e, n: 1 }\n\n# end\n"},
      // JSON text stays JSON text.
      {"- name: x\n  in: |\n    {\"event\":\"e\",\"f\":1.0,\"b\":123456789012345678901234567890}\n  out: |\n    "
       "{\"event\":\"e\"}\n\n- name: y\n  in: { event: e }\n  out: { event: e, n: 1 }\n",
       "- name: x\n  in: |\n    {\"event\":\"e\",\"f\":1.0,\"b\":123456789012345678901234567890}\n  out: |\n    "
       "{\"event\":\"e\",\"f\":1.0,\"b\":123456789012345678901234567890,\"n\":1}\n\n- name: y\n  in: { event: e }\n  out: { "
       "event: e, n: 1 }\n"},
      // Lines stay lines.
      {"- name: x\n  in: { event: e, t: [a, 1] }\n  out:\n    event: e\n    # it goes with the value\n    t: 5\n  # "
       "stays\n- name: y\n  in: { drop: true }\n  out: drop\n",
       "- name: x\n  in: { event: e, t: [a, 1] }\n  out:\n    event: e\n    t: [a, 1]\n    n: 1\n  # stays\n- name: y\n  "
       "in: { drop: true }\n  out: drop\n"},
      {"- name: x\n  in: { event: e, twice: 1 }\n  out:\n  - { event: a }\n",
       "- name: x\n  in: { event: e, twice: 1 }\n  out:\n  - { event: a, n: 1 }\n  - { event: b, s: \"x: y\" }\n"},
      {"- name: x\n  in: { event: e }\n  out:\n    { event: f }\n",
       "- name: x\n  in: { event: e }\n  out:\n    { event: e, n: 1 }\n"},
      // Drops and errors.
      {"- name: x\n  in: { event: e, drop: 1 }\n  out: |\n    {}\n  with: {}\n",
       "- name: x\n  in: { event: e, drop: 1 }\n  out: drop\n  with: {}\n"},
      {"- { name: x, in: { event: e, fail: 1 }, out: 'error: other' }\n",
       "- { name: x, in: { event: e, fail: 1 }, out: \"error: it is \\\"bad\\\"\" }\n"},
      {"- { name: x, in: { event: e, twice: 1 }, out: \"drop\" }\n",
       "- { name: x, in: { event: e, twice: 1 }, out: [{ event: a, n: 1 }, { event: b, s: \"x: y\" }] }\n"},
      // What YAML cannot hold is JSON text in quotes.
      {"- { name: x, in: '{\"event\":\"e\",\"s\":\"\\u0001''\"}', out: drop }\n",
       "- { name: x, in: '{\"event\":\"e\",\"s\":\"\\u0001''\"}', out: '{\"event\":\"e\",\"s\":\"\\u0001''\",\"n\":1}' }\n"},
      {"- { name: x, in: { event: e, s: \"null\", k: \"5\", \"a b\": \"\", d: [] }, out: drop }\n",
       "- { name: x, in: { event: e, s: \"null\", k: \"5\", \"a b\": \"\", d: [] }, out: { event: e, s: \"null\", k: \"5\", "
       "a b: \"\", d: [], n: 1 } }\n"},
      {"- name: \u00fcber \u20ac { x\n  in: { event: e }\n  out:\n",
       "- name: \u00fcber \u20ac { x\n  in: { event: e }\n  out: { event: e, n: 1 }\n"},
  };
  Fixture fixture;
  for (const auto& row : table) {
    CAPTURE(row.before);
    const UpdatedCases updated = fixture.update(row.before);
    CHECK(updated.text == row.after);
    const UpdatedCases again = fixture.update(updated.text);
    CHECK(again.updates.empty());
    CHECK(again.text == updated.text);
  }
}

TEST_CASE("an update says what it changed, and what it did not and why") {
  Fixture fixture;
  const std::string cases =
      "- { name: one, in: { event: e }, out: drop }\n"
      "- { name: two, with: { x: 1 }, in: { event: e }, out: drop }\n"
      "- { name: three, in: { event: e }, out: { event: e, n: 1 }, log: [x] }\n"
      "- { name: four, in: { event: e }, \"out\": drop }\n";
  const UpdatedCases updated = fixture.update(cases);
  REQUIRE(updated.updates.size() == 4);
  CHECK(updated.updates[0].before == "drop");
  CHECK(updated.updates[0].after == "{ event: e, n: 1 }");
  CHECK(updated.updates[1].refused.find("unknown setting") != std::string::npos);
  CHECK(updated.updates[2].refused.find("what it logs") == 0);
  CHECK(updated.updates[3].refused.find("quotes") != std::string::npos);
  CHECK(updated.text.substr(updated.text.find("- { name: two")) == cases.substr(cases.find("- { name: two")));
}
