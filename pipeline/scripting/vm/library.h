#pragma once
// What scripts find as globals: Lua's own library, less what reaches outside, with our own versions of what could hold the
// processor or show an address. See vm.h for the list and the reasons. These functions raise Lua errors.

struct lua_State;

namespace penstock::scripting {

// Fills the table on top of the stack with the library: frozen tables and functions.
void add_library(lua_State* state);

// The parts of it. Into the table on top of the stack: pcall, xpcall and the coroutine table, which pass a stop on; the string
// table; the table table.
void add_control(lua_State* state);
void add_string(lua_State* state);
void add_table(lua_State* state);
// Into the string table on top of the stack: find, match, gmatch and gsub.
void add_patterns(lua_State* state);
// In the utf8 table on top of the stack: functions that charge.
void check_utf8(lua_State* state);
// Replaces the `next` on top of the stack by a `pairs` that uses it.
void add_pairs(lua_State* state);

// table.sort. A lua_CFunction.
int sort_list(lua_State* state);

// `type`, as scripts see the value.
const char* script_type_name(lua_State* state, int index);
// `tostring`: never an address. Pushes one string.
void push_as_text(lua_State* state, int index);
// What `pairs` walks the plain table at `table` with: pushes the iterator and returns true, or pushes nothing when `next` gives
// the same order in every run. The iterator needs no arguments, so the script need not get to see the table.
bool push_walk_in_order(lua_State* state, int table);

}  // namespace penstock::scripting
