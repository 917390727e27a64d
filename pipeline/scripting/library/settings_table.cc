#include "pipeline/scripting/library/settings_table.h"

#include <charconv>
#include <lua.hpp>
#include <string>

#include "pipeline/scripting/view/lua_json.h"
#include "pipeline/scripting/vm/frozen.h"

namespace penstock::scripting {
namespace {

using config::Node;

void push_value(lua_State* state, const Node& node);

void push_text(lua_State* state, const std::string& text) { lua_pushlstring(state, text.data(), text.size()); }

// What is not quoted and reads as a number or a truth value is one, as in YAML 1.2.
void push_scalar(lua_State* state, const Node& node) {
  const std::string& text = node.text;
  const char* end = text.data() + text.size();
  if (node.quoted || text.empty()) return push_text(state, text);
  if (text == "true" || text == "false") return lua_pushboolean(state, text == "true" ? 1 : 0);
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(text.data(), end, integer); read.ec == std::errc() && read.ptr == end)
    return lua_pushinteger(state, integer);
  double number = 0;
  const bool digit = text.find_first_of("0123456789") != std::string::npos;  // not "inf" and "nan"
  if (const auto read = std::from_chars(text.data(), end, number); digit && read.ec == std::errc() && read.ptr == end)
    return lua_pushnumber(state, number);
  push_text(state, text);
}

void push_list(lua_State* state, const Node& node) {
  lua_createtable(state, static_cast<int>(node.items.size()), 0);
  lua_Integer index = 0;
  for (const Node& item : node.items) {
    push_value(state, item);
    lua_rawseti(state, -2, ++index);
  }
  LuaJson::mark_array(state);  // so that an empty one is stored as []
  freeze_table(state);
}

void push_map(lua_State* state, const Node& node) {
  lua_createtable(state, 0, static_cast<int>(node.entries.size()));
  lua_createtable(state, static_cast<int>(node.entries.size()), 0);
  lua_Integer index = 0;
  for (const Node::Entry& entry : node.entries) {
    push_text(state, entry.key);
    lua_pushvalue(state, -1);
    lua_rawseti(state, -3, ++index);
    push_value(state, entry.value);
    lua_rawset(state, -4);
  }
  freeze_table(state, true);
}

void push_value(lua_State* state, const Node& node) {
  luaL_checkstack(state, 8, "settings nested too deep");
  switch (node.kind) {
    case Node::Kind::null: return lua_pushlightuserdata(state, nullptr);
    case Node::Kind::scalar: return push_scalar(state, node);
    case Node::Kind::list: return push_list(state, node);
    case Node::Kind::map: return push_map(state, node);
  }
}

void push_setting(lua_State* state, const SettingInfo& setting, const Node& node) {
  switch (setting.type) {
    case SettingType::string: return push_text(state, node.text);
    case SettingType::number: {
      double number = 0;
      std::from_chars(node.text.data(), node.text.data() + node.text.size(), number);
      return lua_pushnumber(state, number);
    }
    default: return push_value(state, node);
  }
}

}  // namespace

void push_settings(lua_State* state, const Manifest& manifest, const Node& with) {
  lua_newtable(state);
  lua_newtable(state);
  lua_Integer count = 0;
  for (const SettingInfo& setting : manifest.settings) {
    const Node* given = with.find(setting.name);
    const Node& node = given != nullptr && given->kind != Node::Kind::null ? *given : setting.initial;
    if (node.kind == Node::Kind::null) continue;
    push_text(state, setting.name);
    lua_pushvalue(state, -1);
    lua_rawseti(state, -3, ++count);
    push_setting(state, setting, node);
    lua_rawset(state, -4);
  }
  freeze_table(state, true);
}

}  // namespace penstock::scripting
