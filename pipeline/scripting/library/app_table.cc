#include "pipeline/scripting/library/app_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <lua.hpp>

#include "pipeline/event/fact_map.h"
#include "pipeline/scripting/library/settings_table.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"

namespace penstock::scripting {
namespace {

constexpr double kLogBurst = 100;
constexpr double kLogsPerSecond = 10;

int print(lua_State* state) {
  std::string line;
  const int count = lua_gettop(state);
  for (int i = 1; i <= count && line.size() < AppTable::kLogBytesMax; ++i) {
    std::size_t size = 0;
    push_as_text(state, i);
    const char* text = lua_tolstring(state, -1, &size);
    if (i > 1) line += '\t';
    line.append(text, std::min(size, AppTable::kLogBytesMax));
    lua_pop(state, 1);
  }
  app_table(state).log(LogLevel::info, line);
  return 0;
}

// Puts the function under its name; when that has a dot, into a table of that name inside `table`.
void add(lua_State* state, int table, AppTable* owner, const AppFunction& function) {
  const auto dot = function.name.find('.');
  lua_settop(state, table);
  if (dot != std::string_view::npos) {
    const std::string group(function.name.substr(0, dot));
    if (lua_getfield(state, table, group.c_str()) == LUA_TNIL) {
      lua_newtable(state);
      lua_pushvalue(state, -1);
      lua_setfield(state, table, group.c_str());
      lua_remove(state, -2);
    }
  }
  const std::string name(function.name.substr(dot + 1));
  lua_pushlightuserdata(state, owner);
  lua_pushcclosure(state, function.function, 1);
  lua_setfield(state, -2, name.c_str());
  lua_settop(state, table);
}

// The tables inside `table` become read-only.
void freeze_groups(lua_State* state, int table) {
  for (const AppFunction& function : app_functions()) {
    const auto dot = function.name.find('.');
    if (dot == std::string_view::npos) continue;
    const std::string group(function.name.substr(0, dot));
    lua_getfield(state, table, group.c_str());
    if (!push_frozen_content(state, -1)) {
      freeze_table(state);
      lua_setfield(state, table, group.c_str());
    }
    lua_settop(state, table);
  }
}

}  // namespace

LogSink program_log() {
  return [](LogLevel level, std::string_view app, std::string_view message) {
    log_line(level, fmt::format("app {}", app), message);
  };
}

std::vector<AppFunction> app_functions() {
  std::vector<AppFunction> all;
  for (const auto group :
       {event_functions(), path_functions(), json_functions(), digest_functions(), coding_functions(), url_functions(),
        user_agent_functions(), regex_functions(), time_functions(), state_functions(), metrics_functions()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

std::vector<AppFunction> app_methods() {
  const auto methods = regex_methods();
  return {methods.begin(), methods.end()};
}

void AppTable::push(lua_State* state, Vm& vm, const Manifest& manifest, const config::Node& with) {
  may_use_state_ = manifest.permissions.state;
  lua_newtable(state);
  const int table = lua_gettop(state);
  for (const AppFunction& function : app_functions()) add(state, table, this, function);
  freeze_groups(state, table);
  install_regex(state, this);
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
  const std::chrono::duration<double> passed = time - allowance_.filled;
  allowance_.lines = std::min(kLogBurst, allowance_.lines + passed.count() * kLogsPerSecond);
  allowance_.filled = time;
  if (allowance_.lines < 1) return false;
  allowance_.lines -= 1;
  return true;
}

void AppTable::log(LogLevel level, std::string_view message) {
  if (!may_log()) {
    ++allowance_.left_out;
    return;
  }
  message = message.substr(0, kLogBytesMax);
  if (allowance_.left_out == 0) return sink_(level, app_, message);
  sink_(level, app_,
        fmt::format("{} ({} lines before it were left out: at most ten a second)", message, allowance_.left_out));
  allowance_.left_out = 0;
}

}  // namespace penstock::scripting
