#pragma once
// Read-only tables. A frozen table is an empty table in front of the real one, so that every write finds no key and ends
// in an error; reads, `#`, pairs and next go through. These functions raise Lua errors.

struct lua_State;

namespace penstock::scripting {

// Replaces the table on top of the stack by its read-only front. With `ordered`, pairs visits the keys in the order of the
// list that lies above it (a table 1..n of keys), which is popped too.
void freeze_table(lua_State* state, bool ordered = false);

// Pushes the real table behind the value at `index` and returns true, or returns false when it is not a frozen table.
bool push_frozen_content(lua_State* state, int index);
// The same, with the list of its keys in order, or nil when it has none.
bool push_frozen_order(lua_State* state, int index);

// `next` for a frozen table: (front, key) → key, value. A lua_CFunction.
int frozen_next(lua_State* state);

}  // namespace penstock::scripting
