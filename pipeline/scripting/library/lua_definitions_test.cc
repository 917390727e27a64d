#include "pipeline/scripting/library/lua_definitions.h"

#include <doctest/doctest.h>

#include <lua.hpp>
#include <memory>

#include "pipeline/scripting/library/app_table.h"

using namespace penstock::scripting;

TEST_CASE("the definitions are Lua that defines every function") {
  const std::unique_ptr<lua_State, decltype(&lua_close)> state(luaL_newstate(), &lua_close);
  const std::string text = lua_definitions();
  const int loaded = luaL_loadbufferx(state.get(), text.data(), text.size(), "=penstock.lua", "t");
  REQUIRE_MESSAGE(loaded == LUA_OK, lua_tostring(state.get(), -1));
  REQUIRE(lua_pcall(state.get(), 0, 0, 0) == LUA_OK);
  for (const AppFunction& function : app_functions()) {
    CAPTURE(function.name);
    const std::string check = "return app." + std::string(function.name);
    REQUIRE(luaL_loadbufferx(state.get(), check.data(), check.size(), "=check", "t") == LUA_OK);
    REQUIRE(lua_pcall(state.get(), 0, 1, 0) == LUA_OK);
    CHECK(lua_isfunction(state.get(), -1));
  }
}

TEST_CASE("parameters and results have their types") {
  const std::string text = lua_definitions();
  for (const auto* part : {"---@param text string\n", "---@return string\n", "function app.sha256(text) end\n",
                           "---@class App.time\napp.time = {}\n", "function require(name) end\n"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}
