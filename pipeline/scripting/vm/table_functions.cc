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

std::uint64_t count_of(lua_Integer first, lua_Integer last) {
  if (last < first) return 0;
  const std::uint64_t difference = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
  return difference == ~std::uint64_t{0} ? difference : difference + 1;
}

void charge_range(lua_State* state, lua_Integer first, lua_Integer last) {
  Vm::of(state).charge(state, 1 + count_of(first, std::max(first, last)));
}

int checked_move(lua_State* state) {
  charge_range(state, luaL_checkinteger(state, 2), luaL_checkinteger(state, 3));
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

// table.insert(list, place, value) and table.remove(list, place) move what is behind the place.
template <int with_place>
int checked_shift(lua_State* state) {
  if (lua_gettop(state) == with_place && lua_isinteger(state, 2) != 0)
    charge_range(state, std::max<lua_Integer>(lua_tointeger(state, 2), 1), luaL_len(state, 1));
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
