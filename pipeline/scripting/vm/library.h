#pragma once
// What scripts find as globals: Lua's own library, less what reaches outside, with our own versions of what could hold the
// processor. See vm.h for the list and the reasons.

struct lua_State;

namespace penstock::scripting {

// Fills the table on top of the stack with the library: frozen tables and functions.
void add_library(lua_State* state);

// pcall, xpcall and the coroutine table: the ones that pass a stop on. Into the table on top of the stack.
void add_control(lua_State* state);

// find, match, gmatch and gsub, into the table on top of the stack.
void add_patterns(lua_State* state);

}  // namespace penstock::scripting
