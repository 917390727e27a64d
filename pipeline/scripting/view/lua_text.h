#pragma once
// Lua strings as views.

#include <lua.hpp>
#include <string_view>

namespace penstock::scripting {

// Valid while the value stays on the stack. The value is a string.
inline std::string_view text_at(lua_State* state, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

inline void push_text(lua_State* state, std::string_view text) { lua_pushlstring(state, text.data(), text.size()); }

}  // namespace penstock::scripting
