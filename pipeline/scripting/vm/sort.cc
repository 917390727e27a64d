// table.sort by merging: equal values keep their order, and the same list gives the same result in every run, where Lua's own
// may choose its pivots by the clock. A comparator that contradicts itself gives some order and never an error.

#include <algorithm>
#include <limits>
#include <lua.hpp>
#include <string_view>

#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/text_order.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

// Where things lie on the stack while a list is sorted.
constexpr int kList = 1;
constexpr int kComparator = 2;
constexpr int kFrom = 3;  // the values in runs, each sorted
constexpr int kTo = 4;  // for runs twice as long
constexpr int kLeft = 5;  // the heads of the two runs that are being merged
constexpr int kRight = 6;
constexpr lua_Integer kFew = 16;  // values that fit on the stack

constexpr std::uint64_t kStepsPerValue = 4;  // in each merge, beside what is looked at of strings and the comparator

std::string_view text_at(lua_State* state, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

bool is_less(lua_State* state, int a, int b) {
  if (lua_isnil(state, kComparator)) {
    if (lua_type(state, a) == LUA_TSTRING && lua_type(state, b) == LUA_TSTRING)
      return is_less_text(state, text_at(state, a), text_at(state, b));
    return lua_compare(state, a, b, LUA_OPLT) != 0;
  }
  lua_pushvalue(state, kComparator);
  lua_pushvalue(state, a);
  lua_pushvalue(state, b);
  lua_call(state, 2, 1);
  const bool less = lua_toboolean(state, -1) != 0;
  lua_pop(state, 1);
  return less;
}

void load_head(lua_State* state, int head, lua_Integer place) {
  lua_rawgeti(state, kFrom, place);
  lua_replace(state, head);
}

void give_head(lua_State* state, int head, lua_Integer place) {
  lua_pushvalue(state, head);
  lua_rawseti(state, kTo, place);
}

// Runs left..middle-1 and middle..end-1.
void merge(lua_State* state, Vm& vm, lua_Integer left, lua_Integer middle, lua_Integer end) {
  lua_Integer right = middle;
  lua_Integer to = left;
  load_head(state, kLeft, left);
  if (right < end) load_head(state, kRight, right);
  while (left < middle && right < end) {
    vm.charge(state, kStepsPerValue);
    if (is_less(state, kRight, kLeft)) {
      give_head(state, kRight, to++);
      if (++right < end) load_head(state, kRight, right);
    } else {
      give_head(state, kLeft, to++);
      if (++left < middle) load_head(state, kLeft, left);
    }
  }
  vm.charge(state, kStepsPerValue * static_cast<std::uint64_t>(middle - left + end - right));
  for (; left < middle; ++left) {
    lua_rawgeti(state, kFrom, left);
    lua_rawseti(state, kTo, to++);
  }
  for (; right < end; ++right) {
    lua_rawgeti(state, kFrom, right);
    lua_rawseti(state, kTo, to++);
  }
}

// What table.sort takes: a table, or what can be read and written like one.
void check_list(lua_State* state) {
  if (lua_istable(state, kList)) return;
  for (const char* needed : {"__index", "__newindex", "__len"}) {
    if (luaL_getmetafield(state, kList, needed) == LUA_TNIL) luaL_checktype(state, kList, LUA_TTABLE);
    lua_pop(state, 1);
  }
}

// Each value goes behind those that are not greater.
void sort_few(lua_State* state, lua_Integer size) {
  luaL_checkstack(state, kFew + LUA_MINSTACK, nullptr);
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_geti(state, kList, i);
    const int value = lua_gettop(state);
    int place = value;
    while (place > kComparator + 1 && is_less(state, value, place - 1)) --place;
    lua_insert(state, place);
  }
  for (lua_Integer i = size; i > 0; --i) lua_seti(state, kList, i);
}

void sort_many(lua_State* state, lua_Integer size) {
  Vm& vm = Vm::of(state);
  lua_createtable(state, static_cast<int>(size), 0);
  lua_createtable(state, static_cast<int>(size), 0);
  lua_settop(state, kRight);
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_geti(state, kList, i);
    lua_rawseti(state, kFrom, i);
  }
  for (lua_Integer width = 1; width < size; width *= 2) {
    for (lua_Integer left = 1; left <= size; left += 2 * width) {
      const lua_Integer end = std::min(left + 2 * width, size + 1);
      merge(state, vm, left, std::min(left + width, end), end);
    }
    lua_pushvalue(state, kFrom);
    lua_copy(state, kTo, kFrom);
    lua_replace(state, kTo);
  }
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_rawgeti(state, kFrom, i);
    lua_seti(state, kList, i);
  }
}

}  // namespace

int sort_list(lua_State* state) {
  check_list(state);
  const lua_Integer size = luaL_len(state, kList);
  if (size < 2) return 0;
  luaL_argcheck(state, size < std::numeric_limits<int>::max(), 1, "array too big");
  if (!lua_isnoneornil(state, kComparator)) luaL_checktype(state, kComparator, LUA_TFUNCTION);
  lua_settop(state, kComparator);
  Vm::of(state).charge(state, static_cast<std::uint64_t>(8 * size));
  if (size <= kFew) sort_few(state, size);
  else sort_many(state, size);
  return 0;
}

}  // namespace penstock::scripting
