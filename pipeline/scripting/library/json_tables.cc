#include "pipeline/scripting/library/json_tables.h"

#include <algorithm>
#include <lua.hpp>
#include <string>

#include "pipeline/event/json.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/frozen.h"

namespace penstock::scripting {
namespace {

// Walks a valid text from value to value.
class Reader {
 public:
  Reader(lua_State* state, std::string_view text) : state_(state), binding_(Binding::of(state)), rest_(text) {}

  void push_value() {
    skip_space();
    switch (rest_.front()) {
      case '{': return push_object();
      case '[': return push_array();
      case '"': return push_string();
      case 't': return rest_.remove_prefix(4), lua_pushboolean(state_, 1);
      case 'f': return rest_.remove_prefix(5), lua_pushboolean(state_, 0);
      case 'n': return rest_.remove_prefix(4), lua_pushlightuserdata(state_, nullptr);
      default: return push_number();
    }
  }

 private:
  void skip_space() { rest_.remove_prefix(rest_.find_first_not_of(" \t\r\n")); }

  // Whether another member or element follows; takes the comma or the closing bracket.
  bool another(char closing) {
    skip_space();
    const bool first = rest_.front() != ',' && rest_.front() != closing;
    if (first) return true;
    const bool comma = rest_.front() == ',';
    rest_.remove_prefix(1);
    return comma;
  }

  void push_object() {
    luaL_checkstack(state_, 4, "JSON nested too deep");
    lua_newtable(state_);
    rest_.remove_prefix(1);
    while (another('}')) {
      skip_space();
      push_string();
      skip_space();
      rest_.remove_prefix(1);  // the colon
      push_value();
      lua_rawset(state_, -3);
    }
  }

  void push_array() {
    luaL_checkstack(state_, 4, "JSON nested too deep");
    lua_newtable(state_);
    LuaJson::mark_array(state_);
    rest_.remove_prefix(1);
    for (lua_Integer index = 1; another(']'); ++index) {
      push_value();
      lua_rawseti(state_, -2, index);
    }
  }

  void push_string() {
    std::size_t end = 1;
    for (; rest_[end] != '"'; ++end)
      if (rest_[end] == '\\') ++end;
    push_text(state_, json::unescape(rest_.substr(0, end + 1), scratch_));
    rest_.remove_prefix(end + 1);
  }

  void push_number() {
    const std::size_t size = std::min(rest_.find_first_not_of("+-.0123456789eE"), rest_.size());
    const std::string_view raw = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (const auto integer = json::to_int64(raw); integer && raw != "-0") return lua_pushinteger(state_, *integer);
    // What remembers the digits must last as long as the event, and the text may not.
    if (binding_.has_event()) return binding_.push_number(state_, binding_.event(state_).arena().copy(raw));
    if (const auto number = json::to_double(raw)) return lua_pushnumber(state_, *number);
    push_text(state_, raw);
  }

  lua_State* state_;
  Binding& binding_;
  std::string_view rest_;
  std::string scratch_;
};

}  // namespace

void push_json(lua_State* state, std::string_view valid) { Reader(state, valid).push_value(); }

void table_argument(lua_State* state, int index) {
  if (lua_islightuserdata(state, index) && lua_touserdata(state, index) != nullptr) {
    push_json(state, Binding::of(state).part_text(state, lua_touserdata(state, index)));
    lua_replace(state, index);
  }
  luaL_checktype(state, index, LUA_TTABLE);
  if (!push_frozen_content(state, index)) return;
  lua_replace(state, index);
}

}  // namespace penstock::scripting
