#pragma once
// For tests of what expressions of Lua give within the sandbox. Included once, by a test.

#include <doctest/doctest.h>

#include <initializer_list>
#include <lua.hpp>
#include <string>

#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

// What `expression` gives, its values separated by commas, or its error without the place.
inline std::string value_of(const std::string& expression, const Limits& limits = {}) {
  auto vm = Vm::create(limits).value();
  vm->freeze_globals();
  const std::string script =
      "local function shown(...) local t = {...} for i = 1, select('#', ...) do t[i] = tostring(t[i]) end "
      "return table.concat(t, ',') end return shown(" +
      expression + ")";
  if (const auto compiled = vm->compile(script, "app.lua"); !compiled) return compiled.error().message;
  if (!vm->call(0, 1)) {
    const std::string& message = vm->failure().message;
    return message.starts_with("app.lua:1: ") ? message.substr(11) : message;
  }
  std::size_t size = 0;
  const char* text = lua_tolstring(vm->state(), -1, &size);
  return {text, size};
}

struct ValueCase {
  std::string expression;
  std::string value;
};

inline void check_values(std::initializer_list<ValueCase> cases) {
  for (const ValueCase& c : cases) {
    CAPTURE(c.expression);
    CHECK(value_of(c.expression) == c.value);
  }
}

}  // namespace penstock::scripting
