#pragma once
// JSON text as plain Lua tables, for what an app wants to hold and change on its own.

#include <string_view>

struct lua_State;

namespace penstock::scripting {

// Pushes the value of a text that was validated before (depth included). Raises when memory runs out.
void push_json(lua_State* state, std::string_view valid);

// The argument at `index` as a table that lua_next walks: a part of the event is replaced by a copy of it. Raises when it is
// neither.
void table_argument(lua_State* state, int index);

}  // namespace penstock::scripting
