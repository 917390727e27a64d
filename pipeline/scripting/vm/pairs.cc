// `pairs` in an order that does not differ from run to run: Lua's own follows a hash of strings that is seeded anew for every
// state. A list is walked in Lua's order, which is its own; any other table 1..n first, then the other numbers, the strings by
// their bytes, the booleans, and the rest as Lua has it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <lua.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kStepSteps = 3;  // one call of an iterator, beside the two instructions of the loop

// Its first bytes as numbers: most comparisons end there.
struct Text {
  std::array<std::uint64_t, 2> head;
  const char* bytes;
  std::uint32_t size;
  int found;  // which one it was in Lua's order
};

struct Other {
  bool number;
  int found;
  lua_Number value;  // of a number
  lua_Integer integer;  // of an integer; 0 or 1 of a boolean; 2 of anything else
};

Text text_of(const char* bytes, std::size_t size, int found) {
  static_assert(std::endian::native == std::endian::little);
  std::array<std::uint64_t, 2> head{};
  std::memcpy(head.data(), bytes, std::min(size, sizeof(head)));
  return {{std::byteswap(head[0]), std::byteswap(head[1])}, bytes, static_cast<std::uint32_t>(size), found};
}

bool before(const Text& a, const Text& b) {
  if (a.head[0] != b.head[0]) return a.head[0] < b.head[0];
  if (a.head[1] != b.head[1]) return a.head[1] < b.head[1];
  return std::string_view(a.bytes, a.size) < std::string_view(b.bytes, b.size);
}

bool before(const Other& a, const Other& b) {
  if (a.number != b.number) return a.number;
  if (a.value != b.value) return a.value < b.value;
  return a.integer != b.integer ? a.integer < b.integer : a.found < b.found;
}

// Few are the rule, and they need no memory of their own.
template <class Key>
class Keys {
 public:
  void add(const Key& key) {
    if (size_ < kFew) few_[size_] = key;
    else add_to_many(key);
    ++size_;
  }
  std::size_t size() const { return size_; }
  std::span<const Key> sorted() {
    const std::span<Key> all = size_ <= kFew ? std::span(few_.data(), size_) : std::span(many_);
    std::ranges::sort(all, [](const Key& a, const Key& b) { return before(a, b); });
    return all;
  }

 private:
  static constexpr std::size_t kFew = 32;

  void add_to_many(const Key& key) {
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    many_.push_back(key);
  }

  std::size_t size_ = 0;
  std::array<Key, kFew> few_;
  std::vector<Key> many_;
};

// The keys of a table that are not in 1..size. They stay on the stack, in Lua's order.
struct Found {
  Keys<Text> texts;
  Keys<Other> others;

  std::size_t size() const { return texts.size() + others.size(); }

  void add_top(lua_State* state) {
    const int found = static_cast<int>(size());
    const int type = lua_type(state, -1);
    if (type == LUA_TSTRING) {
      std::size_t bytes = 0;
      const char* text = lua_tolstring(state, -1, &bytes);
      return texts.add(text_of(text, bytes, found));
    }
    if (type == LUA_TNUMBER) return others.add({true, found, lua_tonumber(state, -1), lua_tointeger(state, -1)});
    others.add({false, found, 0, type == LUA_TBOOLEAN ? lua_toboolean(state, -1) : 2});
  }
};

void push_keys(lua_State* state, int table, lua_Integer size, Found& found) {
  constexpr int kAtOnce = 64;
  std::uint64_t walked = 0;
  luaL_checkstack(state, kAtOnce + 4, "pairs: too many keys");
  lua_pushnil(state);
  for (; lua_next(state, table) != 0; ++walked) {
    lua_pop(state, 1);
    if (lua_type(state, -1) != LUA_TSTRING && lua_isinteger(state, -1) != 0) {
      const lua_Integer key = lua_tointeger(state, -1);
      if (key >= 1 && key <= size) continue;
    }
    found.add_top(state);
    if (found.size() % kAtOnce == 0) luaL_checkstack(state, kAtOnce + 4, "pairs: too many keys");
    lua_pushvalue(state, -1);
  }
  const std::uint64_t n = found.size();
  Vm::of(state).charge(state, 10 + walked / 4 + n * static_cast<std::uint64_t>(std::bit_width(n)));
}

int next_as_it_is(lua_State* state) {
  Vm::of(state).charge(state, kStepSteps);
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_settop(state, 2);
  return lua_next(state, 1) != 0 ? 2 : (lua_pushnil(state), 1);
}

// Upvalues: the table, the keys in order, how many were given.
int next_in_order(lua_State* state) {
  Vm::of(state).charge(state, kStepSteps);
  lua_Integer given = lua_tointeger(state, lua_upvalueindex(3));
  lua_settop(state, 0);
  // A key whose value was cleared meanwhile is left out.
  while (lua_rawgeti(state, lua_upvalueindex(2), ++given) != LUA_TNIL) {
    lua_pushvalue(state, -1);
    if (lua_rawget(state, lua_upvalueindex(1)) != LUA_TNIL) break;
    lua_settop(state, 0);
  }
  lua_pushinteger(state, given);
  lua_replace(state, lua_upvalueindex(3));
  return lua_gettop(state);
}

// Upvalue: `next`.
int pairs(lua_State* state) {
  luaL_checkany(state, 1);
  if (luaL_getmetafield(state, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(state, 1);
    lua_callk(state, 1, 3, 0, [](lua_State*, int, lua_KContext) { return 3; });
    return 3;
  }
  if (!lua_istable(state, 1)) lua_pushvalue(state, lua_upvalueindex(1));
  else if (!push_walk_in_order(state, 1)) lua_pushcfunction(state, next_as_it_is);
  lua_pushvalue(state, 1);
  lua_pushnil(state);
  return 3;
}

void push_place(lua_State* state, int base, int found, lua_Integer place) {
  lua_pushvalue(state, base + 1 + found);
  lua_rawseti(state, -2, place);
}

}  // namespace

bool push_walk_in_order(lua_State* state, int table) {
  const int base = lua_gettop(state);
  const auto size = static_cast<lua_Integer>(lua_rawlen(state, table));
  Found found;
  push_keys(state, table, size, found);
  const auto others = static_cast<lua_Integer>(found.size());
  if (others == 0 || others + size == 1) return lua_settop(state, base), false;
  lua_pushvalue(state, table);
  lua_createtable(state, static_cast<int>(size + others), 0);
  for (lua_Integer i = 1; i <= size; ++i) {
    lua_pushinteger(state, i);
    lua_rawseti(state, -2, i);
  }
  lua_Integer place = size;
  const auto rest = found.others.sorted();
  const auto numbers = static_cast<std::size_t>(std::ranges::count_if(rest, &Other::number));
  for (const Other& key : rest.first(numbers)) push_place(state, base, key.found, ++place);
  for (const Text& key : found.texts.sorted()) push_place(state, base, key.found, ++place);
  for (const Other& key : rest.subspan(numbers)) push_place(state, base, key.found, ++place);
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_in_order, 3);
  lua_replace(state, base + 1);
  lua_settop(state, base + 1);
  return true;
}

void add_pairs(lua_State* state) { lua_pushcclosure(state, pairs, 1); }

}  // namespace penstock::scripting
