#include "pipeline/scripting/library/url_query.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/made_text.h"

#include "pipeline/scripting/library/url_text.h"
#include "pipeline/scripting/view/lua_json.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

// What the table's metatable keeps, by integer keys: of each piece between two '&' its name, text, value and place among
// those of its name, and for each name how many there are.
enum Kept : lua_Integer { kNames = 1, kTexts, kValues, kPlaces, kCounts };

// What one parameter costs besides its bytes: some calls of Lua, and its share of sorting names.
constexpr std::uint64_t kStepsPerPiece = 40;
constexpr std::uint64_t kStepsPerValue = 10;
constexpr std::size_t kSortedPerStep = 4;  // bytes of names

int pairs_in_order(lua_State* state);

// Pushes the metatable of the table at `index` and returns true when push_query made it.
bool push_kept(lua_State* state, int index) {
  if (lua_getmetatable(state, index) == 0) return false;
  lua_pushliteral(state, "__pairs");
  lua_rawget(state, -2);
  const bool ours = lua_tocfunction(state, -1) == pairs_in_order;
  lua_pop(state, ours ? 1 : 2);
  return ours;
}

// The names in order, each once: first those of the text, then others in the order of their bytes. Views of the table's keys
// and of the metatable, whose index is `kept`, 0 when there is none.
std::vector<std::string_view> names_in_order(lua_State* state, int table, int kept) {
  std::vector<std::string_view> names;
  if (kept != 0) {
    lua_rawgeti(state, kept, kNames);
    lua_rawgeti(state, kept, kPlaces);
    const auto pieces = static_cast<lua_Integer>(lua_rawlen(state, -2));
    for (lua_Integer i = 1; i <= pieces; ++i) {
      Vm::of(state).charge(state, kStepsPerValue);
      lua_rawgeti(state, -1, i);
      lua_rawgeti(state, -3, i);
      if (lua_tointeger(state, -2) == 1) names.push_back(text_at(state, -1));
      lua_pop(state, 2);
    }
    lua_pop(state, 2);
    lua_rawgeti(state, kept, kCounts);
  } else {
    lua_newtable(state);
  }
  const auto known = static_cast<std::ptrdiff_t>(names.size());
  lua_pushnil(state);
  while (lua_next(state, table) != 0) {
    lua_pop(state, 1);
    if (lua_type(state, -1) != LUA_TSTRING)
      luaL_error(state, "names of parameters must be strings, got a %s", luaL_typename(state, -1));
    Vm::of(state).charge(state, kStepsPerPiece + text_at(state, -1).size() / kSortedPerStep);
    lua_pushvalue(state, -1);
    if (lua_rawget(state, -3) == LUA_TNIL) names.push_back(text_at(state, -2));
    lua_pop(state, 1);
  }
  lua_pop(state, 1);
  std::sort(names.begin() + known, names.end());
  return names;
}

int next_in_order(lua_State* state) {  // upvalues: the table, the names, how many were given
  const auto size = static_cast<lua_Integer>(lua_rawlen(state, lua_upvalueindex(2)));
  for (lua_Integer place = lua_tointeger(state, lua_upvalueindex(3)) + 1; place <= size; ++place) {
    lua_rawgeti(state, lua_upvalueindex(2), place);
    lua_pushvalue(state, -1);
    if (lua_rawget(state, lua_upvalueindex(1)) != LUA_TNIL) {
      lua_pushinteger(state, place);
      lua_replace(state, lua_upvalueindex(3));
      return 2;
    }
    lua_pop(state, 2);
  }
  return lua_pushnil(state), 1;
}

int pairs_in_order(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  lua_settop(state, 1);
  if (!push_kept(state, 1)) return luaL_error(state, "parameters of a URL expected");
  const auto names = names_in_order(state, 1, 2);
  lua_pushvalue(state, 1);
  lua_createtable(state, static_cast<int>(names.size()), 0);
  lua_Integer place = 0;
  for (const std::string_view name : names) {
    push_text(state, name);
    lua_rawseti(state, -2, ++place);
  }
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_in_order, 3);
  return 1;
}

// Adds the value on top, which it pops, to those that the table holds under the name.
void add_value(lua_State* state, int table, std::string_view name, lua_Integer place) {
  push_text(state, name);
  if (place == 1) {
    lua_insert(state, -2);
    return lua_rawset(state, table);
  }
  lua_pushvalue(state, -1);
  lua_rawget(state, table);  // value, name, what is there
  if (place == 2) {
    lua_createtable(state, 2, 0);
    LuaJson::mark_array(state);
    lua_insert(state, -2);
    lua_rawseti(state, -2, 1);
    lua_pushvalue(state, -2);
    lua_pushvalue(state, -2);
    lua_rawset(state, table);
  }
  lua_pushvalue(state, -3);
  lua_rawseti(state, -2, place);
  lua_pop(state, 3);
}

// The name's count in the table at `counts`, one more than before.
lua_Integer count_name(lua_State* state, int counts, std::string_view name) {
  push_text(state, name);
  lua_pushvalue(state, -1);
  lua_rawget(state, counts);
  const lua_Integer count = lua_tointeger(state, -1) + 1;
  lua_pop(state, 1);
  lua_pushinteger(state, count);
  lua_rawset(state, counts);
  return count;
}

void append_pair(MadeText& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.append("&");
  out.append_encoded(name);
  out.append("=");
  out.append_encoded(value);
}

[[noreturn]] void refuse(lua_State* state, std::string_view name, const char* got) {
  luaL_error(state, "parameter '%s': a string, number, boolean or list of these expected, got %s", shortened(name).c_str(),
             got);
  std::unreachable();
}

// A value that is no list.
void append_scalar(lua_State* state, int index, std::string_view name, MadeText& out) {
  Vm::of(state).charge(state, kStepsPerValue);
  switch (lua_type(state, index)) {
    case LUA_TSTRING: return append_pair(out, name, text_at(state, index));
    case LUA_TBOOLEAN: return append_pair(out, name, lua_toboolean(state, index) != 0 ? "true" : "false");
    case LUA_TNUMBER:
      luaL_tolstring(state, index, nullptr);
      append_pair(out, name, text_at(state, -1));
      return lua_pop(state, 1);
    default: break;
  }
  refuse(state, name, lua_islightuserdata(state, index) ? "app.null or a part of the event" : luaL_typename(state, index));
}

// What the table on top of the stack has besides 1 to n would be lost without a word.
void check_list(lua_State* state, std::string_view name) {
  const auto size = static_cast<lua_Integer>(lua_rawlen(state, -1));
  lua_Integer elements = 0;
  lua_pushnil(state);
  while (lua_next(state, -2) != 0) {
    Vm::of(state).charge(state, 1);
    lua_pop(state, 1);
    const lua_Integer at = lua_isinteger(state, -1) != 0 ? lua_tointeger(state, -1) : 0;
    if (at < 1 || at > size) refuse(state, name, "a table whose keys are not 1 to n");
    ++elements;
  }
  if (elements != size) refuse(state, name, "a table whose keys are not 1 to n");
}

// The value on top, which it pops.
void append_value(lua_State* state, std::string_view name, MadeText& out) {
  if (lua_istable(state, -1)) {
    if (push_frozen_content(state, -1)) lua_remove(state, -2);
    check_list(state, name);
    const auto size = static_cast<lua_Integer>(lua_rawlen(state, -1));
    for (lua_Integer i = 1; i <= size; ++i) {
      lua_rawgeti(state, -1, i);
      append_scalar(state, lua_gettop(state), name, out);
      lua_pop(state, 1);
    }
  } else {
    append_scalar(state, lua_gettop(state), name, out);
  }
  lua_pop(state, 1);
}

// Writes the pieces of the text it came from, each as it stood where its value is what it was.
class Rewriter {
 public:
  Rewriter(lua_State* state, int table, int kept, MadeText& out) : state_(state), table_(table), kept_(kept), out_(out) {}

  void write() {
    for (const lua_Integer what : {kNames, kTexts, kValues, kPlaces, kCounts}) lua_rawgeti(state_, kept_, what);
    first_ = lua_gettop(state_) - 4;
    const auto pieces = static_cast<lua_Integer>(lua_rawlen(state_, first_));
    for (lua_Integer i = 1; i <= pieces; ++i) {
      lua_rawgeti(state_, list(kNames), i);
      piece(i, text_at(state_, -1));
      lua_settop(state_, first_ + 4);
    }
    lua_settop(state_, first_ - 1);
  }

 private:
  int list(Kept what) const { return first_ + static_cast<int>(what) - 1; }

  void piece(lua_Integer i, std::string_view name) {
    Vm::of(state_).charge(state_, kStepsPerPiece);
    lua_rawgeti(state_, list(kPlaces), i);
    const lua_Integer place = lua_tointeger(state_, -1);
    lua_pushvalue(state_, -2);
    lua_rawget(state_, list(kCounts));
    const lua_Integer count = lua_tointeger(state_, -1);
    lua_pushvalue(state_, -3);
    if (lua_rawget(state_, table_) == LUA_TNIL) return;
    const bool listed = count > 1 && lua_istable(state_, -1) && static_cast<lua_Integer>(lua_rawlen(state_, -1)) == count;
    if (listed) lua_rawgeti(state_, -1, place);
    lua_rawgeti(state_, list(kValues), i);
    if ((listed || count == 1) && lua_rawequal(state_, -1, -2) != 0) {
      lua_rawgeti(state_, list(kTexts), i);
      if (!out_.empty()) out_.append("&");
      out_.append_kept(text_at(state_, -1), "#");
      return;
    }
    lua_pop(state_, 1);
    if (listed || place == 1) append_value(state_, name, out_);
  }

  lua_State* state_;
  int table_;
  int kept_;
  MadeText& out_;
  int first_ = 0;
};

}  // namespace

void push_query(lua_State* state, std::string_view query) {
  luaL_checkstack(state, 16, "query");
  lua_newtable(state);
  const int table = lua_gettop(state);
  lua_newtable(state);
  for (int i = 0; i < 5; ++i) lua_newtable(state);
  const auto list = [&](Kept what) { return table + 1 + static_cast<int>(what); };
  std::string name, value;
  lua_Integer pieces = 0;
  while (!query.empty()) {
    const std::string_view text = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(text.size() + 1, query.size()));
    Vm::of(state).charge(state, kStepsPerPiece);
    if (text.empty()) continue;
    const auto equals = text.find('=');
    name.clear();
    value.clear();
    append_decoded(name, text.substr(0, equals), true);
    if (equals != std::string_view::npos) append_decoded(value, text.substr(equals + 1), true);
    const lua_Integer place = count_name(state, list(kCounts), name);
    ++pieces;
    lua_pushinteger(state, place);
    lua_rawseti(state, list(kPlaces), pieces);
    push_text(state, name);
    lua_rawseti(state, list(kNames), pieces);
    push_text(state, text);
    lua_rawseti(state, list(kTexts), pieces);
    push_text(state, value);
    lua_pushvalue(state, -1);
    lua_rawseti(state, list(kValues), pieces);
    add_value(state, table, name, place);
  }
  for (lua_Integer what = kCounts; what >= kNames; --what) lua_rawseti(state, table + 1, what);
  lua_pushcfunction(state, pairs_in_order);
  lua_setfield(state, -2, "__pairs");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_setmetatable(state, table);
}

void append_query(lua_State* state, int index, MadeText& out) {
  luaL_checkstack(state, 16, "query");
  const int top = lua_gettop(state);
  const int kept = push_kept(state, index) ? lua_gettop(state) : 0;
  std::size_t written = 0;
  const auto names = names_in_order(state, index, kept);
  if (kept != 0) {
    Rewriter(state, index, kept, out).write();
    lua_rawgeti(state, kept, kCounts);
  } else {
    lua_newtable(state);
  }
  for (; written < names.size(); ++written) {
    push_text(state, names[written]);
    lua_pushvalue(state, -1);
    const bool known = lua_rawget(state, -3) != LUA_TNIL;
    lua_pop(state, 1);
    if (known) {
      lua_pop(state, 1);
      continue;
    }
    lua_rawget(state, index);
    append_value(state, names[written], out);
  }
  lua_settop(state, top);
}

}  // namespace penstock::scripting
