#include "pipeline/scripting/transform/app_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <lua.hpp>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/timestamps.h"
#include "pipeline/scripting/transform/digest.h"
#include "pipeline/scripting/transform/settings_table.h"
#include "pipeline/scripting/vm/frozen.h"

namespace penstock::scripting {
namespace {

constexpr double kLogBurst = 100;
constexpr double kLogsPerSecond = 10;
constexpr std::size_t kLogBytesMax = 2000;
constexpr std::uint64_t kBytesPerStep = 16;

AppTable& self(lua_State* state) { return *static_cast<AppTable*>(lua_touserdata(state, lua_upvalueindex(1))); }

// Numbers are not taken for texts: hashing 5 where "5" was meant is a mistake worth knowing.
std::string_view text_argument(lua_State* state, int index) {
  luaL_checktype(state, index, LUA_TSTRING);
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

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
  self(state).log(level, {message, size});
  return 0;
}

int print(lua_State* state) {
  std::string line;
  const int count = lua_gettop(state);
  for (int i = 1; i <= count && line.size() < kLogBytesMax; ++i) {
    std::size_t size = 0;
    const char* text = luaL_tolstring(state, i, &size);
    if (i > 1) line += '\t';
    line.append(text, std::min(size, kLogBytesMax));
    lua_pop(state, 1);
  }
  self(state).log(LogLevel::info, line);
  return 0;
}

int now(lua_State* state) {
  lua_pushinteger(state, self(state).now().ms);
  return 1;
}

int uuid(lua_State* state) {
  char text[36];
  self(state).next_uuid(Binding::of(state).event(state).facts()).format_to(text);
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

int sha256(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  Vm::of(state).charge(state, text.size() / kBytesPerStep);
  const auto hex = sha256_hex(text);
  lua_pushlstring(state, hex.data(), hex.size());
  return 1;
}

int time_parse(lua_State* state) {
  if (const auto time = parse_timestamp(text_argument(state, 1))) lua_pushinteger(state, time->ms);
  else lua_pushnil(state);
  return 1;
}

int time_format(lua_State* state) {
  constexpr lua_Integer kYear1 = -62'135'596'800'000;
  constexpr lua_Integer kYear9999End = 253'402'300'799'999;
  const lua_Integer ms = luaL_checkinteger(state, 1);
  luaL_argcheck(state, ms >= kYear1 && ms <= kYear9999End, 1, "a time in milliseconds of the years 1 to 9999 expected");
  const std::string text = format_timestamp(Timestamp{ms});
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"log", "app.log([level,] message)",
     "Writes a line to the program's log; level is debug, info (default), warning or error. Rate-limited per app.", log},
    {"now", "app.now()", "The time in milliseconds since 1970, the same for all events of a batch.", now},
    {"uuid", "app.uuid()", "A new uuid, derived from the event's: a repeated run gives the same ones.", uuid},
    {"facts", "app.facts()", "A table of the event's facts, as event:facts() gives it.", facts},
    {"array", "app.array([table])", "The table, or an empty one, marked as a JSON array: app.array{} is stored as [].",
     array},
    {"sha256", "app.sha256(text)", "The SHA-256 of a string, as 64 hexadecimal digits.", sha256},
    {"time.parse", "app.time.parse(text)", "Milliseconds since 1970 of an ISO 8601 time, or nil when it is none.",
     time_parse},
    {"time.format", "app.time.format(milliseconds)", "The ISO 8601 text of a time: \"2026-08-01T10:00:00.123Z\".",
     time_format},
};

// Puts the function under its name, inside a table of its own when the name has a dot: those tables lie above `table`.
void add(lua_State* state, int table, int nested, AppTable* self_pointer, const AppFunction& function) {
  const std::string_view name = function.name;
  const auto dot = name.find('.');
  lua_pushlightuserdata(state, self_pointer);
  lua_pushcclosure(state, function.function, 1);
  lua_setfield(state, dot == std::string_view::npos ? table : nested, name.substr(dot + 1).data());
}

}  // namespace

LogSink program_log() {
  return [](LogLevel level, std::string_view app, std::string_view message) {
    log_line(level, fmt::format("app {}", app), message);
  };
}

std::span<const AppFunction> app_functions() { return kFunctions; }

void AppTable::push(lua_State* state, Vm& vm, const Manifest& manifest, const config::Node& with) {
  lua_newtable(state);
  const int table = lua_gettop(state);
  lua_newtable(state);
  for (const AppFunction& function : kFunctions) add(state, table, table + 1, this, function);
  freeze_table(state);
  lua_setfield(state, table, "time");
  lua_pushlightuserdata(state, nullptr);
  lua_setfield(state, table, "null");
  push_settings(state, manifest, with);
  lua_setfield(state, table, "settings");
  freeze_table(state);
  lua_pushlightuserdata(state, this);
  lua_pushcclosure(state, print, 1);
  vm.set_global("print");
}

Uuid AppTable::next_uuid(const Facts& event) { return derived_uuid(event.uuid, fmt::format("{}/uuid", app_), ++uuids_); }

bool AppTable::may_log() {
  const SteadyTime time = clock_.steady();
  const std::chrono::duration<double> passed = time - log_filled_;
  log_tokens_ = std::min(kLogBurst, log_tokens_ + passed.count() * kLogsPerSecond);
  log_filled_ = time;
  if (log_tokens_ < 1) return false;
  log_tokens_ -= 1;
  return true;
}

void AppTable::log(LogLevel level, std::string_view message) {
  if (!may_log()) {
    ++logs_left_out_;
    return;
  }
  message = message.substr(0, kLogBytesMax);
  if (logs_left_out_ == 0) return sink_(level, app_, message);
  sink_(level, app_, fmt::format("{} ({} lines before it were left out: at most ten a second)", message, logs_left_out_));
  logs_left_out_ = 0;
}

}  // namespace penstock::scripting
