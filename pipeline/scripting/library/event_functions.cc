// What every app needs around its event: a log, the time, uuids, facts, arrays.

#include <algorithm>
#include <array>
#include <lua.hpp>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/app_table.h"

namespace penstock::scripting {
namespace {

int log(lua_State* state) {
  constexpr std::array kLevels{std::pair{"debug", LogLevel::debug}, std::pair{"info", LogLevel::info},
                               std::pair{"warning", LogLevel::warning}, std::pair{"error", LogLevel::error}};
  LogLevel level = LogLevel::info;
  if (lua_gettop(state) >= 2) {
    const std::string_view wanted = text_argument(state, 1);
    const auto it = std::ranges::find(kLevels, wanted, [](const auto& known) { return std::string_view(known.first); });
    luaL_argcheck(state, it != kLevels.end(), 1, "expected debug, info, warning or error");
    level = it->second;
  }
  std::size_t size = 0;
  const char* message = luaL_tolstring(state, -1, &size);
  app_table(state).log(level, {message, size});
  return 0;
}

int now(lua_State* state) {
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
    luaL_argcheck(state, lua_getmetatable(state, 1) == 0, 1, "a table without metatable expected");
  }
  LuaJson::mark_array(state);
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"log", "level_or_message: any, message?: any", "",
     "Writes a line to the program's log: app.log(message), or with a level before it: debug, info (the default), warning or "
     "error. At most ten lines a second for each app; what is left out is counted.",
     "app.log('warning', 'no e-mail')", "null", log},
    {"now", "", "integer", "The time in milliseconds since 1970, the same for all events of a batch.", "app.now()",
     "1767225600000", now},
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
