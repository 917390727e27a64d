#pragma once
// For tests of this folder: Lua over an event and the `app` table, the answer as JSON.

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "pipeline/scripting/library/app_rig.h"

namespace penstock::scripting::testing {

// Expressions and what they give.
using Table = std::vector<std::pair<std::string, std::string>>;

inline void check(const Table& table) {
  Surroundings lua;
  for (const auto& [expression, gives] : table) {
    CAPTURE(expression);
    CHECK(lua.eval(expression) == gives);
  }
}

}  // namespace penstock::scripting::testing
