#pragma once
// For tests of this folder: a table of bodies of `transform`, events, and what becomes of them.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "pipeline/scripting/transform/testing.h"

namespace penstock::scripting::testing {

struct Case {
  std::string lua;
  std::string in;
  std::string out;  // as TestChain::run says it; for errors a part of it is enough
};

inline void check(const std::vector<Case>& cases, bool canonical = false) {
  for (const Case& c : cases) {
    CAPTURE(c.lua);
    CAPTURE(c.in);
    TestChain chain(c.lua);
    REQUIRE(chain.problems.empty());
    const std::string out = chain.run(c.in, canonical);
    if (c.out.starts_with("error: ")) {
      CAPTURE(out);
      CHECK(out.starts_with("error: "));
      CHECK(out.find(c.out.substr(7)) != std::string::npos);
    } else {
      CHECK(out == c.out);
    }
  }
}

}  // namespace penstock::scripting::testing
