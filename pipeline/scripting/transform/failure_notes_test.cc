#include "pipeline/scripting/transform/failure_notes.h"

#include <doctest/doctest.h>

namespace penstock::scripting {
namespace {

using Sentences = std::vector<std::string>;

constexpr const char* kEvent = "01890a5d-ac96-774b-bcce-b302099a8057";
const Uuid event = Uuid::parse(kEvent).value();
SteadyTime at(int seconds) { return SteadyTime{Duration{seconds * 1000}}; }

}  // namespace

TEST_CASE("the first failure of each kind is told at once, those that follow together after a while") {
  FailureNotes notes;
  CHECK(notes.due(at(1)).empty());
  notes.add("app_error", event, "app.lua:3: bad one\nwith more");
  CHECK(notes.due(at(1)) == Sentences{std::string("failed on 1 event (app_error); it: ") + kEvent + ": app.lua:3: bad one"});
  for (int i = 0; i < 7; ++i) notes.add("app_error", event, "app.lua:" + std::to_string(i) + ": another");
  notes.add("app_time_limit", event, "app.lua:9: too long");
  notes.add("app_time_limit", event, "app.lua:9: too long");
  CHECK(notes.due(at(2)) ==
        Sentences{std::string("failed on 2 events (app_time_limit); the first: ") + kEvent + ": app.lua:9: too long"});
  CHECK(notes.due(at(10)).empty());
  CHECK(notes.due(at(11)) ==
        Sentences{std::string("failed on 7 more events (app_error); the first: ") + kEvent + ": app.lua:0: another"});
  CHECK(notes.due(at(100)).empty());
}

}  // namespace penstock::scripting
