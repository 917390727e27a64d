#include "pipeline/scripting/transform/expression.h"

#include <fmt/format.h>

#include <lua.hpp>

namespace penstock::scripting {

Result<void> push_expression(Vm& vm, std::string_view expression) {
  // First as it stands: in parentheses alone, "a) or (b" would pass for an expression.
  TRY(vm.compile(fmt::format("return {}\n", expression), "when"));
  lua_pop(vm.state(), 1);
  return vm.compile(fmt::format("local event, facts = ... return ({}\n)", expression), "when");
}

Answer evaluate(Vm& vm, Binding& binding, int index, EventState& event) {
  lua_State* state = vm.state();
  binding.open(event, Binding::Access::read);
  lua_pushvalue(state, index);
  lua_pushlightuserdata(state, binding.root());
  lua_pushlightuserdata(state, binding.facts());
  const bool returned = vm.call(2, 1);
  binding.close();
  if (!returned) return Answer::failed;
  // A JSON null is no more true than a missing value.
  const bool null = lua_islightuserdata(state, -1) && lua_touserdata(state, -1) == nullptr;
  const bool yes = lua_toboolean(state, -1) != 0 && !null;
  lua_pop(state, 1);
  return yes ? Answer::yes : Answer::no;
}

}  // namespace penstock::scripting
