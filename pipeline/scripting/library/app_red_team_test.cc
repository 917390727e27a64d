#include <chrono>
#include <set>

#include "pipeline/scripting/library/attacks_on_app.h"
#include "pipeline/scripting/library/testing.h"

using namespace penstock;
using namespace penstock::scripting;
using namespace penstock::scripting::testing;

TEST_CASE("attacks by way of the app table end as they should, soon") {
  // An eighth of the instructions, for a sanitized build takes ten times as long.
  const Limits small{.instructions_max = 1'000'000, .time_max = Duration{20'000}};
  std::set<std::string> names;
  for (const Attack& attack : attacks_on_app()) {
    CAPTURE(attack.topic);
    CAPTURE(attack.name);
    Surroundings lua(small);
    const auto start = std::chrono::steady_clock::now();
    const auto text = lua.attempt(attack.script, "app.lua");
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    const std::string message = text ? *text : text.error();
    CAPTURE(message);
    CHECK(text.has_value() == (attack.end == Attack::End::value));
    CHECK(attack.may_stop_by(lua.vm().failure().stop));
    CHECK(lua.vm().spent() == (attack.end == Attack::End::limit));
    if (attack.end == Attack::End::limit) CHECK(message.starts_with("app.lua:1: "));
    else CHECK(message.find(attack.says) != std::string::npos);
    CHECK(names.insert(attack.topic + attack.name).second);
  }
}
