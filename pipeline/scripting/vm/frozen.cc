#include "pipeline/scripting/vm/frozen.h"

#include <lua.hpp>

#include "pipeline/scripting/vm/library.h"

namespace penstock::scripting {
namespace {

// Keys of a frozen table's metatable, besides the usual ones. Scripts never see it: `__metatable` hides it.
constexpr int kContent = 1;
constexpr int kOrder = 2;
constexpr int kPlaces = 3;  // key → its place in the order

int refuse_write(lua_State* state) {
  if (lua_type(state, 2) == LUA_TSTRING)
    return luaL_error(state, "this table is read-only (field '%s'); use a local variable", lua_tostring(state, 2));
  return luaL_error(state, "this table is read-only");
}

int content_length(lua_State* state) {
  if (!push_frozen_content(state, 1)) return luaL_error(state, "not a read-only table");
  lua_pushinteger(state, static_cast<lua_Integer>(lua_rawlen(state, -1)));
  return 1;
}

int content_pairs(lua_State* state) {
  if (!push_frozen_order(state, 1)) return luaL_error(state, "not a read-only table");
  const bool ordered = lua_istable(state, -1);
  push_frozen_content(state, 1);
  if (ordered || !push_walk_in_order(state, lua_gettop(state))) lua_pushcfunction(state, frozen_next);
  lua_pushvalue(state, 1);
  lua_pushnil(state);
  return 3;
}

// The metatable at `index` is one of ours: only those hold the content under kContent and hide themselves.
bool push_hidden(lua_State* state, int index, int what) {
  if (lua_type(state, index) != LUA_TTABLE || lua_getmetatable(state, index) == 0) return false;
  lua_pushliteral(state, "__newindex");
  if (lua_rawget(state, -2) != LUA_TFUNCTION || lua_tocfunction(state, -1) != refuse_write) {
    lua_pop(state, 2);
    return false;
  }
  lua_rawgeti(state, -2, what);
  lua_replace(state, -3);
  lua_pop(state, 1);
  return true;
}

int next_in_order(lua_State* state) {  // front, key, order
  lua_Integer place = 0;
  if (!lua_isnil(state, 2)) {
    push_hidden(state, 1, kPlaces);
    lua_pushvalue(state, 2);
    lua_rawget(state, -2);
    place = lua_tointeger(state, -1);
    lua_pop(state, 2);
  }
  if (lua_rawgeti(state, 3, place + 1) == LUA_TNIL) return 1;
  push_hidden(state, 1, kContent);
  lua_pushvalue(state, -2);
  lua_rawget(state, -2);
  lua_remove(state, -2);
  return 2;
}

void add_places(lua_State* state) {  // metatable, order → metatable
  lua_newtable(state);
  const auto size = static_cast<lua_Integer>(lua_rawlen(state, -2));
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_rawgeti(state, -2, i);
    lua_pushinteger(state, i);
    lua_rawset(state, -3);
  }
  lua_rawseti(state, -3, kPlaces);
  lua_rawseti(state, -2, kOrder);
}

}  // namespace

void freeze_table(lua_State* state, bool ordered) {
  luaL_checkstack(state, 6, "read-only table");
  const int content = lua_gettop(state) - (ordered ? 1 : 0);
  lua_newtable(state);  // the front
  lua_newtable(state);  // its metatable
  lua_pushvalue(state, content);
  lua_setfield(state, -2, "__index");
  lua_pushvalue(state, content);
  lua_rawseti(state, -2, kContent);
  lua_pushcfunction(state, refuse_write);
  lua_setfield(state, -2, "__newindex");
  lua_pushcfunction(state, content_length);
  lua_setfield(state, -2, "__len");
  lua_pushcfunction(state, content_pairs);
  lua_setfield(state, -2, "__pairs");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  if (ordered) {
    lua_pushvalue(state, content + 1);
    add_places(state);
  }
  lua_setmetatable(state, -2);
  lua_replace(state, content);
  lua_settop(state, content);
}

bool push_frozen_content(lua_State* state, int index) { return push_hidden(state, index, kContent); }
bool push_frozen_order(lua_State* state, int index) { return push_hidden(state, index, kOrder); }

int frozen_next(lua_State* state) {
  lua_settop(state, 2);
  if (!push_frozen_order(state, 1)) return luaL_error(state, "not a read-only table");
  if (lua_istable(state, 3)) return next_in_order(state);
  lua_pop(state, 1);
  push_frozen_content(state, 1);
  lua_insert(state, 2);
  return lua_next(state, 2) != 0 ? 2 : (lua_pushnil(state), 1);
}

}  // namespace penstock::scripting
