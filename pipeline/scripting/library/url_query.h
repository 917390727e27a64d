#pragma once
// A URL's query as a table of decoded parameters, and back. The table remembers how the parameters were written and in which
// order, so that those nobody touched keep their place and their bytes.

#include <string>
#include <string_view>

struct lua_State;

namespace penstock::scripting {

// Pushes name → value, or a list of values for a name that comes several times; pairs gives them in the order of the text.
void push_query(lua_State* state, std::string_view query);

// Appends the query that the table at `index` stands for. Raises when a value is none.
void append_query(lua_State* state, int index, std::string& out);

}  // namespace penstock::scripting
