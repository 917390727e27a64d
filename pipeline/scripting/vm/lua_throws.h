#pragma once
// Included before each file of Lua's own, by cmake/lua.cmake, and by nothing else. It tells before an error unwinds the stack. Lua
// calls no message handler when memory is used up, so this is where the place can still be seen; when a block is refused it is too
// early, for the stack may be just what moves.

#include <lua.hpp>

// In allocator.cc. `status` as lua_pcall will give it.
extern "C" void penstock_lua_throws(lua_State* state, int status);

#define LUAI_THROW(L, c) (penstock_lua_throws(L, (c)->status), throw(c))
#define LUAI_TRY(L, c, a) \
  try {                   \
    a                     \
  } catch (...) {         \
    if ((c)->status == 0) (c)->status = -1; \
  }
#define luai_jmpbuf int
