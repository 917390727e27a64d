#pragma once
// Lua's own functions behind checked ones.

#include <initializer_list>
#include <lua.hpp>

namespace penstock::scripting {

// Calls Lua's own function with the same arguments, from the checked one that took its place.
inline int original(lua_State* state) { return lua_tocfunction(state, lua_upvalueindex(1))(state); }

struct Checked {
  const char* name;
  lua_CFunction function;
};

// Replaces functions of the table on top by ours, each with the original as its upvalue.
void check(lua_State* state, std::initializer_list<Checked> functions);

void remove(lua_State* state, std::initializer_list<const char*> names);

}  // namespace penstock::scripting
