// The table library: charged by the elements it touches.

#include <algorithm>
#include <lua.hpp>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/original.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

// Values that one expression may have: every use of `...` copies them all, within one instruction.
constexpr std::uint64_t kResultsMax = 16'384;
constexpr std::uint64_t kMembersPerStep = 2;  // of an event's array, moved as memory; one takes 56 bytes
constexpr std::uint64_t kMovedMax = 10'000'000;  // the limits end it long before

std::uint64_t count_of(lua_Integer first, lua_Integer last) {
  if (last < first) return 0;
  const std::uint64_t difference = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
  return difference == ~std::uint64_t{0} ? difference : difference + 1;
}

void charge_range(lua_State* state, lua_Integer first, lua_Integer last) {
  Vm::of(state).charge(state, 1 + count_of(first, std::max(first, last)));
}

bool is_part(lua_State* state, int index) {
  return lua_islightuserdata(state, index) && lua_touserdata(state, index) != nullptr;
}

// Lua may begin with the last element, far behind the end of a part, where nothing can be put before what is in between.
int move_into_part(lua_State* state, int to) {
  const lua_Integer first = lua_tointeger(state, 2);
  const lua_Integer count = lua_tointeger(state, 3) - first + 1;
  const lua_Integer place = luaL_checkinteger(state, 4);
  lua_createtable(state, 0, 0);
  const int values = lua_gettop(state);
  for (lua_Integer i = 0; i < count; ++i) {
    lua_geti(state, 1, first + i);
    lua_rawseti(state, values, i + 1);
  }
  for (lua_Integer i = 0; i < count; ++i) {
    lua_rawgeti(state, values, i + 1);
    lua_seti(state, to, place + i);
  }
  lua_pushvalue(state, to);
  return 1;
}

int checked_move(lua_State* state) {
  const lua_Integer first = luaL_checkinteger(state, 2);
  const lua_Integer last = luaL_checkinteger(state, 3);
  charge_range(state, first, last);
  const int to = lua_isnoneornil(state, 5) ? 1 : 5;
  if (is_part(state, to) && last >= first) {
    luaL_argcheck(state, count_of(first, last) <= kMovedMax, 3, "too many elements to move");
    return move_into_part(state, to);
  }
  return original(state);
}

int checked_unpack(lua_State* state) {
  const lua_Integer first = luaL_optinteger(state, 2, 1);
  const lua_Integer last = lua_isnoneornil(state, 3) ? luaL_len(state, 1) : luaL_checkinteger(state, 3);
  if (count_of(first, last) > kResultsMax)
    return luaL_error(state, "too many results to unpack (more than %d)", static_cast<int>(kResultsMax));
  charge_range(state, first, last);
  return original(state);
}

int checked_concat(lua_State* state) {
  const lua_Integer first = luaL_optinteger(state, 3, 1);
  charge_range(state, first, lua_isnoneornil(state, 4) ? luaL_len(state, 1) : luaL_checkinteger(state, 4));
  return original(state);
}

// table.insert(list, place, value) and table.remove(list, place) move what is behind the place. What is no table moves it
// itself, when its metatable says how and the place is inside.
template <int with_place>
int checked_shift(lua_State* state) {
  int is_place = 0;  // as Lua takes it: 1.0 and "1" are places as well
  const lua_Integer place = lua_gettop(state) == with_place ? lua_tointegerx(state, 2, &is_place) : 0;
  if (is_place != 0) {
    const lua_Integer size = luaL_len(state, 1);
    if (place >= 1 && place <= size && is_part(state, 1) &&
        luaL_getmetafield(state, 1, with_place == 3 ? "__insert" : "__remove") != LUA_TNIL) {
      Vm::of(state).charge(state, 1 + count_of(place, size) / kMembersPerStep);
      lua_insert(state, 1);
      lua_call(state, with_place, 1);
      return with_place == 3 ? 0 : 1;
    }
    charge_range(state, std::max<lua_Integer>(place, 1), size);
  }
  return original(state);
}

}  // namespace

void add_table(lua_State* state) {
  luaL_requiref(state, "table", luaopen_table, 0);
  check(state, {{"concat", checked_concat},
                {"insert", checked_shift<3>},
                {"remove", checked_shift<2>},
                {"move", checked_move},
                {"unpack", checked_unpack}});
  lua_pushcfunction(state, sort_list);
  lua_setfield(state, -2, "sort");
  freeze_table(state);
  lua_setfield(state, -2, "table");
}

}  // namespace penstock::scripting
