#include "pipeline/scripting/cases/coverage.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pipeline/scripting/cases/case_run.h"
#include "pipeline/scripting/cases/executable_lines.h"
#include "pipeline/scripting/transform/testing.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

std::string lines_of(const std::string& text) {
  return fmt::format("{}", fmt::join(executable_lines(text, "app.lua").value(), " "));
}

}  // namespace

TEST_CASE("lines that can run are those that Lua's line hook would name") {
  const struct {
    const char* lua;
    const char* lines;
  } table[] = {
      {"", "1"},
      {"-- only words\nlocal a = 1\n", "2"},
      {"local function f()\n  return 1\nend\nreturn f\n", "2 3 4"},  // line 3 makes the function; its own end never runs
      {"return function(x)\n  if x then\n    return 1\n  end\nend\n", "2 3 5"},
      {"local t = {\n  a = f(),\n  b = 2,\n}\nreturn t\n", "1 2 3 5"},
      {"for i = 1, 3 do\n  print(i)\nend\n", "1 2 3"},
      {"for k in pairs(t) do\n  print(k)\nend\n", "1 2 3"},
      {"while x do\n  x = f(x)\nend\n", "1 2 3"},
      {"repeat\n  x = f(x)\nuntil x\n", "2 3"},
      {"do return 1 end\nprint('unreachable')\n", "1"},
      {"local a = x == 1\nlocal b = not x or y\n", "1 2"},
      {"goto done\nprint('skipped')\n::done::\nprint('here')\n", "1 4"},
  };
  for (const auto& row : table) {
    CAPTURE(row.lua);
    CHECK(lines_of(row.lua) == row.lines);
  }
}

TEST_CASE("a long gap between two lines is read from the list of absolute lines") {
  const std::string gap(400, '\n');
  CHECK(lines_of("local a = f()" + gap + "local b = f()\n") == "1 401");
}

TEST_CASE("a file that does not compile is an error with its line") {
  CHECK(executable_lines("local = 1", "app.lua").error().message.find("app.lua:1:") == 0);
}

TEST_CASE("coverage names the lines that no case ran") {
  const testing::TempFolder folder;
  folder.write("app.yaml", "name: a\nversion: 1.0.0\nsummary: A test.\n");
  folder.write("app.lua", R"(local text = require("lib.text")
local M = {}
function M.transform(event, app)
  if event.bad then
    event.x = 1
    error("bad")
  end
  event.name = text.lower(event.name)
  return event
end
return M
)");
  folder.write("lib/text.lua", "return {\n  lower = function(s)\n    return s:lower()\n  end,\n}\n");
  folder.write("never.lua", "local a = 1\nreturn a\n");
  folder.write("cases.yaml", "- { name: x, in: { event: e, name: N }, out: { event: e, name: n } }\n");
  const CaseFile file = read_case_file(folder.path()).value();
  Coverage coverage;
  CHECK(run_case(folder.path(), file.cases.front(), &coverage).passed());
  const auto files = coverage.over(AppSource::load(folder.path()).value()).value();
  REQUIRE(files.size() == 3);
  CHECK(files[0].file == "app.lua");
  CHECK(files[0].missed_ranges() == "5-6");
  CHECK(files[0].percent() == 80);
  CHECK(files[0].ran() == 8);
  CHECK(files[1].missed.empty());
  CHECK(files[1].percent() == 100);
  CHECK(files[2].missed_ranges() == "1-2");
}

TEST_CASE("every line that runs is among those that can") {
  for (const auto& entry : std::filesystem::directory_iterator("plugins")) {
    if (!entry.is_directory()) continue;
    const std::string folder = entry.path().string();
    Coverage coverage;
    const CaseFile file = read_case_file(folder).value();
    for (const AppCase& one : file.cases) CHECK(run_case(folder, one, &coverage).passed());
    const AppSource source = AppSource::load(folder).value();
    CHECK(coverage.strangers(source).empty());
  }
}
