#include "pipeline/event/fact_template.h"

#include <doctest/doctest.h>

using namespace penstock;

TEST_CASE("a template is its text with the event's facts in it") {
  Facts facts;
  facts.uuid = Uuid::v5({}, "one");
  facts.project = "shop";
  facts.event = "signup";
  facts.source = "web";
  const auto rendered = [&](std::string_view text) { return FactTemplate::parse(text)->of(facts); };
  CHECK(rendered("") == "");
  CHECK(rendered("events") == "events");
  CHECK(rendered("{project}.{event}-{source}!") == "shop.signup-web!");
  CHECK(rendered("{uuid}") == facts.uuid.to_string());
  CHECK(rendered("<{distinct_id}>") == "<>");
  CHECK(rendered("{{{event}}} }}{{") == "{signup} }{");
  CHECK(FactTemplate::parse("{{event}}")->constant());
  CHECK_FALSE(FactTemplate::parse("a{event}")->constant());
}

TEST_CASE("what is no template is refused with what is wrong") {
  const auto refused = [](std::string_view text) { return FactTemplate::parse(text).error().message; };
  CHECK(refused("a{evnt}") == "there is no fact 'evnt'; there are uuid, project, event, distinct_id and source");
  CHECK(refused("a{event") == "'a{event' has a { that is not closed");
  CHECK(refused("a}b") == "'a}b' has a } that closes nothing; write }} for the bracket itself");
}
