#include "pipeline/event/event_filter.h"

#include <doctest/doctest.h>

namespace penstock {

TEST_CASE("names and globs say which events are wanted") {
  struct Case {
    std::vector<std::string> patterns;
    std::string event;
    bool wanted;
  };
  for (const auto& [patterns, event, wanted] : std::vector<Case>{
           {{}, "anything", true},
           {{}, "", true},
           {{"signup"}, "signup", true},
           {{"signup"}, "signup2", false},
           {{"signup"}, "", false},
           {{"a", "signup"}, "signup", true},
           {{"$page*"}, "$pageview", true},
           {{"$page*"}, "page", false},
           {{"*paid"}, "order paid", true},
           {{"order*paid"}, "order was paid", true},
           {{"order*paid"}, "order paid late", false},
           {{"*"}, "", true},
           {{"a*b*c"}, "aXbXbc", true},
           {{"a*b*c"}, "acb", false},
           {{"**"}, "x", true},
           {{"*a*a*a*a*b"}, std::string(2000, 'a'), false},
       }) {
    CAPTURE(event);
    CHECK(EventFilter(patterns).takes(event) == wanted);
  }
}

}  // namespace penstock
