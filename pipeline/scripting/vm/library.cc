#include "pipeline/scripting/vm/library.h"

#include <bit>
#include <initializer_list>
#include <lua.hpp>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kBytesPerStep = 16;
constexpr std::size_t kRepeatBytesMax = 16u << 20;

// Lua's own function, which a checked version calls with the same arguments once it has charged for them.
int original(lua_State* state) { return lua_tocfunction(state, lua_upvalueindex(1))(state); }

std::uint64_t string_bytes(lua_State* state) {
  std::uint64_t bytes = 0;
  for (int i = lua_gettop(state); i > 0; --i)
    if (lua_type(state, i) == LUA_TSTRING) bytes += lua_rawlen(state, i);
  return bytes;
}

int charge_bytes(lua_State* state) {
  if (const std::uint64_t bytes = string_bytes(state); bytes > kBytesPerStep)
    Vm::of(state).charge(state, bytes / kBytesPerStep);
  return original(state);
}

int charge_all_bytes(lua_State* state) {
  Vm::of(state).charge(state, string_bytes(state));
  return original(state);
}

// A directive may write a hundred digits whatever its argument.
int charge_format(lua_State* state) {
  constexpr std::uint64_t kCall = 100;
  Vm::of(state).charge(state, kCall + string_bytes(state) / kBytesPerStep);
  return original(state);
}

int checked_rep(lua_State* state) {
  std::size_t size = 0;
  std::size_t separator = 0;
  luaL_checklstring(state, 1, &size);
  const lua_Integer times = luaL_checkinteger(state, 2);
  luaL_optlstring(state, 3, "", &separator);
  if (times <= 0 || size + separator == 0) {  // the original would loop over nothing, `times` times
    lua_pushliteral(state, "");
    return 1;
  }
  if (static_cast<std::uint64_t>(times) > kRepeatBytesMax / (size + separator))
    return luaL_error(state, "string.rep: the result would be longer than 16 MiB");
  Vm::of(state).charge(state, (size + separator) * static_cast<std::uint64_t>(times) / kBytesPerStep);
  return original(state);
}

void charge_range(lua_State* state, lua_Integer first, lua_Integer last) {
  if (last < first) return;
  Vm::of(state).charge(state, static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) + 1);
}

int checked_move(lua_State* state) {
  charge_range(state, luaL_checkinteger(state, 2), luaL_checkinteger(state, 3));
  return original(state);
}

int checked_unpack(lua_State* state) {
  const lua_Integer first = luaL_optinteger(state, 2, 1);
  charge_range(state, first, lua_isnoneornil(state, 3) ? luaL_len(state, 1) : luaL_checkinteger(state, 3));
  return original(state);
}

int checked_concat(lua_State* state) {
  const lua_Integer first = luaL_optinteger(state, 3, 1);
  charge_range(state, first, lua_isnoneornil(state, 4) ? luaL_len(state, 1) : luaL_checkinteger(state, 4));
  return original(state);
}

// table.insert(list, place, value) and table.remove(list, place) move what is behind the place.
template <int with_place>
int checked_shift(lua_State* state) {
  if (lua_gettop(state) == with_place) charge_range(state, 1, luaL_len(state, 1));
  return original(state);
}

int checked_sort(lua_State* state) {
  const lua_Integer size = luaL_len(state, 1);
  if (size > 0) {
    const auto n = static_cast<std::uint64_t>(size);
    Vm::of(state).charge(state, n * static_cast<std::uint64_t>(std::bit_width(n)));
  }
  return original(state);
}

int checked_setmetatable(lua_State* state) {
  if (lua_istable(state, 2)) {
    lua_pushliteral(state, "__gc");
    if (lua_rawget(state, 2) != LUA_TNIL) return luaL_error(state, "setmetatable: __gc is not available to apps");
    lua_pop(state, 1);
  }
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

// Events, objects and arrays are light userdata, which scripts may treat as tables; JSON null is the null one.
int type_name(lua_State* state) {
  luaL_checkany(state, 1);
  if (!lua_islightuserdata(state, 1)) return original(state);
  lua_pushstring(state, lua_touserdata(state, 1) == nullptr ? "null" : "table");
  return 1;
}

struct Checked {
  const char* name;
  lua_CFunction function;
};

// Replaces functions of the table on top by ours, each with the original as its upvalue.
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

void add_base(lua_State* state) {
  luaL_requiref(state, "_G", luaopen_base, 0);
  check(state, {{"setmetatable", checked_setmetatable},
                {"rawset", checked_rawset},
                {"next", checked_next},
                {"type", type_name},
                {"tonumber", charge_bytes}});
  for (const char* name : {"assert", "error", "getmetatable", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen",
                           "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "_VERSION"}) {
    lua_getfield(state, -1, name);
    lua_setfield(state, -3, name);
  }
  lua_pop(state, 1);
}

void add_string(lua_State* state) {
  luaL_requiref(state, "string", luaopen_string, 0);
  remove(state, {"dump"});
  check(state, {{"rep", checked_rep},
                {"lower", charge_bytes},
                {"upper", charge_bytes},
                {"reverse", charge_bytes},
                {"format", charge_format},
                {"byte", charge_bytes},
                {"sub", charge_bytes},
                {"pack", charge_bytes},
                {"unpack", charge_bytes}});
  add_patterns(state);
  lua_pushliteral(state, "");
  lua_getmetatable(state, -1);
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 2);
  freeze_table(state);
  lua_setfield(state, -2, "string");
}

void add_table(lua_State* state) {
  luaL_requiref(state, "table", luaopen_table, 0);
  check(state, {{"concat", checked_concat},
                {"insert", checked_shift<3>},
                {"remove", checked_shift<2>},
                {"move", checked_move},
                {"sort", checked_sort},
                {"unpack", checked_unpack}});
  freeze_table(state);
  lua_setfield(state, -2, "table");
}

void add_utf8(lua_State* state) {
  luaL_requiref(state, "utf8", luaopen_utf8, 0);
  check(state,
        {{"len", charge_all_bytes}, {"codepoint", charge_bytes}, {"offset", charge_all_bytes}, {"codes", charge_bytes}});
  freeze_table(state);
  lua_setfield(state, -2, "utf8");
}

void add_math(lua_State* state) {
  luaL_requiref(state, "math", luaopen_math, 0);
  remove(state, {"random", "randomseed"});  // an event replayed must give the same result
  freeze_table(state);
  lua_setfield(state, -2, "math");
}

}  // namespace

void add_library(lua_State* state) {
  add_base(state);
  add_string(state);
  add_table(state);
  add_utf8(state);
  add_math(state);
  add_control(state);
}

}  // namespace penstock::scripting
