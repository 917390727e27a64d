#include "pipeline/scripting/vm/library.h"

#include <algorithm>
#include <lua.hpp>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/original.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kBytesPerStep = 16;
// One call of an iterator, beside the two instructions of the loop.
constexpr std::uint64_t kStepSteps = 6;

// With a base every character is looked at by itself; without, a number has at most 200, and each makes reading it longer.
int checked_tonumber(lua_State* state) {
  constexpr std::uint64_t kNumeralMax = 200;
  if (lua_type(state, 1) == LUA_TSTRING) {
    const std::uint64_t size = lua_rawlen(state, 1);
    Vm::of(state).charge(state, lua_isnoneornil(state, 2) ? size / kBytesPerStep + 2 * std::min(size, kNumeralMax) : size);
  }
  return original(state);
}

// Its arguments were copied before it was called.
int checked_select(lua_State* state) {
  constexpr int kArgumentsPerStep = 4;
  Vm::of(state).charge(state, static_cast<std::uint64_t>(lua_gettop(state) / kArgumentsPerStep));
  return original(state);
}

// Lua looks for a finaliser when a metatable is set, and only then: one that is added later is never called.
int checked_setmetatable(lua_State* state) {
  if (lua_istable(state, 2)) {
    lua_pushliteral(state, "__gc");
    if (lua_rawget(state, 2) != LUA_TNIL) return luaL_error(state, "setmetatable: __gc is not available to apps");
    lua_pop(state, 1);
  }
  return original(state);
}

// Numbers and booleans have a metatable for the words of an error alone; to scripts they have none, as in plain Lua.
int visible_metatable(lua_State* state) {
  const int type = lua_type(state, 1);
  if (type == LUA_TNUMBER || type == LUA_TBOOLEAN) return lua_pushnil(state), 1;
  return original(state);
}

int checked_rawset(lua_State* state) {
  if (lua_getmetatable(state, 1) != 0) {
    lua_pushliteral(state, "__metatable");
    if (lua_rawget(state, -2) != LUA_TNIL) return luaL_error(state, "rawset: this table is read-only");
    lua_pop(state, 2);
  }
  return original(state);
}

int checked_next(lua_State* state) {
  Vm::of(state).charge(state, kStepSteps);
  if (lua_islightuserdata(state, 1) && luaL_getmetafield(state, 1, "__next") != LUA_TNIL) {
    lua_insert(state, 1);
    lua_settop(state, 3);  // the function, what to walk, a key or nil
    lua_call(state, 2, 2);
    return 2;
  }
  lua_settop(state, 2);
  if (lua_istable(state, 1) && push_frozen_content(state, 1)) return frozen_next(state);
  return original(state);
}

int next_element(lua_State* state) {
  Vm::of(state).charge(state, kStepSteps);
  const lua_Integer place = luaL_checkinteger(state, 2) + 1;
  lua_pushinteger(state, place);
  return lua_geti(state, 1, place) == LUA_TNIL ? 1 : 2;
}

int elements(lua_State* state) {
  luaL_checkany(state, 1);
  const bool list =
      lua_istable(state, 1) || lua_islightuserdata(state, 1) || luaL_getmetafield(state, 1, "__index") != LUA_TNIL;
  if (!list) return luaL_typeerror(state, 1, "table");
  lua_settop(state, 1);
  lua_pushcfunction(state, next_element);
  lua_pushvalue(state, 1);
  lua_pushinteger(state, 0);
  return 3;
}

int type_name(lua_State* state) {
  luaL_checkany(state, 1);
  constexpr std::uint64_t kSteps = 4;  // finding the string takes longer than the instructions around the call
  Vm::of(state).charge(state, kSteps);
  lua_pushstring(state, script_type_name(state, 1));
  return 1;
}

int to_string(lua_State* state) {
  luaL_checkany(state, 1);
  push_as_text(state, 1);
  return 1;
}

void add_base(lua_State* state) {
  luaL_requiref(state, "_G", luaopen_base, 0);
  check(state, {{"getmetatable", visible_metatable},
                {"setmetatable", checked_setmetatable},
                {"rawset", checked_rawset},
                {"next", checked_next},
                {"ipairs", elements},
                {"select", checked_select},
                {"type", type_name},
                {"tonumber", checked_tonumber},
                {"tostring", to_string}});
  for (const char* name : {"assert", "error", "getmetatable", "ipairs", "next", "rawequal", "rawget", "rawlen", "rawset",
                           "select", "setmetatable", "tonumber", "tostring", "type", "_VERSION"}) {
    lua_getfield(state, -1, name);
    lua_setfield(state, -3, name);
  }
  lua_getfield(state, -1, "next");
  add_pairs(state);
  lua_setfield(state, -3, "pairs");
  lua_pop(state, 1);
}

void add_utf8(lua_State* state) {
  luaL_requiref(state, "utf8", luaopen_utf8, 0);
  check_utf8(state);
  freeze_table(state);
  lua_setfield(state, -2, "utf8");
}

// A number may come as a text, which is read from end to end, blanks and all.
int checked_numerals(lua_State* state) {
  for (int i = lua_gettop(state); i > 0; --i)
    if (lua_type(state, i) == LUA_TSTRING) Vm::of(state).charge(state, 2 * lua_rawlen(state, i) / kBytesPerStep);
  return original(state);
}

// All functions of the table on top.
void check_numerals(lua_State* state) {
  lua_pushnil(state);
  while (lua_next(state, -2) != 0) {
    if (lua_iscfunction(state, -1) == 0) {
      lua_pop(state, 1);
      continue;
    }
    lua_pushcclosure(state, checked_numerals, 1);
    lua_pushvalue(state, -2);
    lua_insert(state, -2);
    lua_settable(state, -4);
  }
}

void add_math(lua_State* state) {
  luaL_requiref(state, "math", luaopen_math, 0);
  remove(state, {"random", "randomseed"});  // an event replayed must give the same result
  check_numerals(state);
  freeze_table(state);
  lua_setfield(state, -2, "math");
}

}  // namespace

void check(lua_State* state, std::initializer_list<Checked> functions) {
  for (const Checked& checked : functions) {
    lua_getfield(state, -1, checked.name);
    lua_pushcclosure(state, checked.function, 1);
    lua_setfield(state, -2, checked.name);
  }
}

void remove(lua_State* state, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    lua_pushnil(state);
    lua_setfield(state, -2, name);
  }
}

// Events, objects and arrays are light userdata, which scripts may treat as tables; JSON null is the null one.
const char* script_type_name(lua_State* state, int index) {
  if (!lua_islightuserdata(state, index)) return luaL_typename(state, index);
  return lua_touserdata(state, index) == nullptr ? "null" : "table";
}

void push_as_text(lua_State* state, int index) {
  switch (lua_type(state, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING: luaL_tolstring(state, index, nullptr); return;
    default: break;
  }
  if (luaL_getmetafield(state, index, "__tostring") != LUA_TNIL) {
    lua_pop(state, 1);
    luaL_tolstring(state, index, nullptr);
    return;
  }
  const int name = luaL_getmetafield(state, index, "__name");
  if (name == LUA_TSTRING) return;
  if (name != LUA_TNIL) lua_pop(state, 1);
  lua_pushstring(state, script_type_name(state, index));
}

void add_library(lua_State* state) {
  add_base(state);
  add_string(state);
  add_table(state);
  add_utf8(state);
  add_math(state);
  add_control(state);
}

}  // namespace penstock::scripting
