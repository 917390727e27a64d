#include "pipeline/scripting/measure/script_counters.h"

#include <lua.hpp>

#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/vm/frozen.h"

namespace penstock::scripting {

// Each has the counts as upvalue 1 and the function it replaces as upvalue 2.
struct ScriptCounters::Functions {
  static ScriptCounts& counts(lua_State* state) {
    return *static_cast<ScriptCounts*>(lua_touserdata(state, lua_upvalueindex(1)));
  }

  // Calls the original with all arguments; how many results there are.
  static int call(lua_State* state) {
    lua_pushvalue(state, lua_upvalueindex(2));
    lua_insert(state, 1);
    lua_call(state, lua_gettop(state) - 1, LUA_MULTRET);
    return lua_gettop(state);
  }

  static void note_value(lua_State* state, int index, ScriptCounts& into) {
    if (lua_isnil(state, index)) ++into.missing_read;
    else if (lua_islightuserdata(state, index) && lua_touserdata(state, index) != nullptr) ++into.parts_read;
    else ++into.values_read;
  }

  static int index(lua_State* state) {
    const int results = call(state);
    note_value(state, -1, counts(state));
    return results;
  }

  static int newindex(lua_State* state) {
    ++counts(state).assigned;
    return call(state);
  }

  static int next(lua_State* state) {
    const int results = call(state);
    if (results < 2) return results;
    ++counts(state).walked;
    note_value(state, -1, counts(state));
    return results;
  }

  static int pairs(lua_State* state) {
    ++counts(state).walks;
    const int results = call(state);
    if (results == 0 || !lua_isfunction(state, 1)) return results;
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_pushvalue(state, 1);
    lua_pushcclosure(state, next, 2);
    lua_replace(state, 1);
    return results;
  }

  // Upvalue 3: the name.
  static int app_function(lua_State* state) {
    ++counts(state).app_calls[lua_tostring(state, lua_upvalueindex(3))];
    return call(state);
  }
};

ScriptCounters::ScriptCounters(Script& script) : script_(script) {
  lua_State* state = script_.vm().state();
  allocator_ = lua_getallocf(state, &allocator_data_);
  lua_setallocf(state, allocate, this);
}

ScriptCounters::~ScriptCounters() { lua_setallocf(script_.vm().state(), allocator_, allocator_data_); }

void* ScriptCounters::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& counters = *static_cast<ScriptCounters*>(self);
  const std::size_t before = block == nullptr ? 0 : old_size;
  if (new_size > before) {
    ++counters.counts_.allocations;
    counters.counts_.allocated_bytes += new_size - before;
  }
  return counters.allocator_(counters.allocator_data_, block, old_size, new_size);
}

Result<void> ScriptCounters::install() {
  const auto installed = script_.vm().protect([this](lua_State* state) {
    replace_metamethods(state);
    replace_app_functions(state);
  });
  counts_ = {};
  return installed;
}

void ScriptCounters::replace_metamethods(lua_State* state) {
  constexpr luaL_Reg kReplaced[] = {{"__index", Functions::index},
                                    {"__newindex", Functions::newindex},
                                    {"__pairs", Functions::pairs},
                                    {"__next", Functions::next}};
  lua_pushlightuserdata(state, nullptr);
  if (lua_getmetatable(state, -1) == 0) return lua_settop(state, 0);
  const int table = lua_gettop(state);
  for (const luaL_Reg& replaced : kReplaced) {
    lua_pushlightuserdata(state, &counts_);
    if (lua_getfield(state, table, replaced.name) == LUA_TFUNCTION) {
      lua_pushcclosure(state, replaced.func, 2);
      lua_setfield(state, table, replaced.name);
    }
    lua_settop(state, table);
  }
  lua_settop(state, 0);
}

void ScriptCounters::replace_app_functions(lua_State* state) {
  lua_getglobal(state, "app");
  if (!push_frozen_content(state, -1)) return lua_settop(state, 0);
  const int table = lua_gettop(state);
  for (const AppFunction& function : app_functions()) {
    const auto dot = function.name.find('.');
    lua_pushvalue(state, table);
    if (dot != std::string_view::npos) {
      lua_getfield(state, -1, std::string(function.name.substr(0, dot)).c_str());
      if (!push_frozen_content(state, -1)) {
        lua_settop(state, table);
        continue;
      }
    }
    const std::string field(dot == std::string_view::npos ? function.name : function.name.substr(dot + 1));
    const int holder = lua_gettop(state);
    lua_pushlightuserdata(state, &counts_);
    if (lua_getfield(state, holder, field.c_str()) == LUA_TFUNCTION) {
      lua_pushlstring(state, function.name.data(), function.name.size());
      lua_pushcclosure(state, Functions::app_function, 3);
      lua_setfield(state, holder, field.c_str());
    }
    lua_settop(state, table);
  }
  lua_settop(state, 0);
}

}  // namespace penstock::scripting
