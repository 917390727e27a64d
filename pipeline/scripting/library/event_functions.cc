// What every app needs around its event: a log, the time, uuids, facts, arrays.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/library.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kStepsPerShown = 20;

// The level that the first argument names, if it names one.
std::optional<LogLevel> level_argument(lua_State* state) {
  constexpr std::array kLevels{std::pair{"debug", LogLevel::debug}, std::pair{"info", LogLevel::info},
                               std::pair{"warning", LogLevel::warning}, std::pair{"warn", LogLevel::warning},
                               std::pair{"error", LogLevel::error}};
  if (lua_type(state, 1) != LUA_TSTRING) return std::nullopt;
  const auto it =
      std::ranges::find(kLevels, text_at(state, 1), [](const auto& known) { return std::string_view(known.first); });
  return it == kLevels.end() ? std::nullopt : std::optional(it->second);
}

int push_json_text(lua_State* state) {
  const std::string_view json = Binding::of(state).json().write(state, 1, 0, {nullptr, Document::kNone, "the message"});
  push_text(state, json);
  return 1;
}

// Tables and parts of the event as JSON, strings as they are, the rest as tostring shows it.
void push_shown(lua_State* state, int index) {
  const bool part = lua_islightuserdata(state, index);
  if (part && lua_touserdata(state, index) == nullptr) return push_text(state, "null");
  if (part) Binding::of(state).node_of(state, lua_touserdata(state, index));  // raises for the part of an event that is over
  const bool table = lua_istable(state, index) && luaL_getmetafield(state, index, "__tostring") == LUA_TNIL;
  if (!part && !table) return static_cast<void>(push_as_text(state, index));
  // A table that has no JSON is no reason for an event to fail: the line says so.
  lua_pushcfunction(state, push_json_text);
  lua_pushvalue(state, index);
  if (lua_pcall(state, 1, 1, 0) == LUA_OK) return;
  if (Vm::of(state).stop() != Stop::none) lua_error(state);
  lua_pushfstring(state, "(no JSON: %s)", lua_tostring(state, -1));
  lua_remove(state, -2);
}

int log(lua_State* state) {
  luaL_checkany(state, 1);
  const int count = lua_gettop(state);
  const auto level = count >= 2 ? level_argument(state) : std::nullopt;
  std::string line;
  const int first = level ? 2 : 1;
  for (int i = first; i <= count && line.size() < AppTable::kLogBytesMax; ++i) {
    Vm::of(state).charge(state, kStepsPerShown);
    push_shown(state, i);
    if (i > first) line += ' ';
    line += text_at(state, -1).substr(0, AppTable::kLogBytesMax);
    lua_pop(state, 1);
  }
  app_table(state).log(level.value_or(LogLevel::info), line);
  return 0;
}

int now(lua_State* state) {
  Binding::of(state).event(state);  // raises while the app is being loaded, when there is no batch either
  lua_pushinteger(state, app_table(state).now().ms);
  return 1;
}

int uuid(lua_State* state) {
  char text[36];
  app_table(state).next_uuid(Binding::of(state).event(state).facts()).format_to(text);
  lua_pushlstring(state, text, sizeof text);
  return 1;
}

int facts(lua_State* state) {
  Binding::of(state).push_facts_table(state);
  return 1;
}

int array(lua_State* state) {
  lua_settop(state, 1);
  if (lua_isnil(state, 1)) {
    lua_newtable(state);
  } else {
    luaL_checktype(state, 1, LUA_TTABLE);
    if (LuaJson::is_array(state, 1)) return 1;
    luaL_argcheck(state, lua_getmetatable(state, 1) == 0, 1, "a table without metatable expected");
  }
  LuaJson::mark_array(state);
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"log", "level_or_message: any, ...: any", "",
     "Writes a line to the program's log: app.log(message), or with a level before it: debug, info (the default), warning "
     "or "
     "error. Tables and parts of the event are shown as JSON; several messages are joined by a space. At most ten lines a "
     "second for each app; what is left out is counted.",
     "app.log('warning', 'no e-mail in', event.properties)", "null", log},
    {"now", "", "integer",
     "The time in milliseconds since 1970, the same for all events of a batch. Not while the app is being loaded.",
     "app.now()", "1767225600000", now},
    {"uuid", "", "string", "A new uuid, derived from the event's: a repeated run gives the same ones.", "#app.uuid()", "36",
     uuid},
    {"facts", "", "Facts", "A table of the event's facts, as event:facts() gives it.", "app.facts().distinct_id", "\"ann\"",
     facts},
    {"array", "list?: table", "table",
     "The table, or an empty one, marked as a JSON array: app.array{} is stored as [], where {} is stored as an object.",
     "{app.array{}, {}}", "[[],{}]", array},
};

}  // namespace

std::span<const AppFunction> event_functions() { return kFunctions; }

}  // namespace penstock::scripting
