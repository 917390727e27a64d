#pragma once
// Lua strings as views.

#include <cstddef>
#include <lua.hpp>
#include <string>
#include <string_view>

namespace penstock::scripting {

// Valid while the value stays on the stack. The value is a string.
inline std::string_view text_at(lua_State* state, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

// The beginning of a text that may be long, for messages.
inline std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 60;
  return text.size() <= kShown ? std::string(text) : std::string(text.substr(0, kShown)) + "…";
}

inline void push_text(lua_State* state, std::string_view text) { lua_pushlstring(state, text.data(), text.size()); }

}  // namespace penstock::scripting
