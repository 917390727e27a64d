#pragma once
// A URL's query as a table of decoded parameters, and back. The table remembers how the parameters were written and in which
// order, so that those nobody touched keep their place and their bytes.

#include <string_view>

struct lua_State;

namespace penstock::scripting {

class MadeText;

// Pushes name → value, or a list of values for a name that comes several times; pairs gives them in the order of the text.
void push_query(lua_State* state, std::string_view query);

// Appends the query that the table at `index` stands for to `out`, which is empty. Raises when a value is none.
void append_query(lua_State* state, int index, MadeText& out);

}  // namespace penstock::scripting
