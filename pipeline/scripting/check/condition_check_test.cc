#include "pipeline/scripting/check/condition_check.h"

#include <doctest/doctest.h>

#include <vector>

namespace penstock::scripting {

TEST_CASE("names in a condition are those that there are") {
  struct Row {
    std::string expression;
    ConditionOf whose = ConditionOf::destination;
    std::string says;
  };
  for (const Row& row : std::vector<Row>{
           {"event.properties.plan ~= 'free'", ConditionOf::destination, ""},
           {"facts.event == 'a' and #event.tags > 2 or math.max(1, 2) == 2", ConditionOf::destination, ""},
           {"type(event.n) == 'null' and event['x y']", ConditionOf::destination, ""},
           {"(function() local x = facts return x.event end)()", ConditionOf::destination, ""},
           {"app.get(event, 'a.b') ~= app.null", ConditionOf::app, ""},
           {"evnt.properties.plan", ConditionOf::destination, "there is no 'evnt', did you mean 'event'?"},
           {"facts.distinct_idd == 'x'", ConditionOf::app,
            "there is no fact 'distinct_idd', did you mean 'facts.distinct_id'?"},
           {"string.finds(event.event, 'x')", ConditionOf::app, "there is no string.finds, did you mean 'string.find'?"},
           {"event.a ~= app.null", ConditionOf::destination,
            "there is no 'app' here: a destination's condition sees `event` and `facts` only"},
           {"properties.plan", ConditionOf::destination, "there is no 'properties'"},
       }) {
    CAPTURE(row.expression);
    CHECK(unknown_name_in(row.expression, row.whose).value_or("") == row.says);
  }
}

}  // namespace penstock::scripting
