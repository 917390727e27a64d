#include "pipeline/scripting/check/lua_lexer.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <lua.hpp>
#include <memory>
#include <sstream>

#include "pipeline/scripting/check/lua_names.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

std::string joined(const std::vector<LuaToken>& tokens) {
  std::string text;
  for (const LuaToken& token : tokens)
    if (token.kind != LuaToken::Kind::end) text += std::string(token.raw) + "|";
  return text;
}

// What Lua itself makes of a literal.
std::string by_lua(const std::string& literal) {
  const std::unique_ptr<lua_State, decltype(&lua_close)> state(luaL_newstate(), &lua_close);
  const std::string source = "return " + literal;
  REQUIRE(luaL_loadbufferx(state.get(), source.data(), source.size(), "literal", "t") == LUA_OK);
  REQUIRE(lua_pcall(state.get(), 0, 1, 0) == LUA_OK);
  std::size_t size = 0;
  const char* text = lua_tolstring(state.get(), -1, &size);
  return {text, size};
}

}  // namespace

TEST_CASE("tokens are cut where Lua cuts them") {
  const struct {
    const char* source;
    const char* tokens;
  } table[] = {
      {"local a = 1", "local|a|=|1|"},
      {"a.b:c'x'", "a|.|b|:|c|'x'|"},
      {"a..b...", "a|..|b|...|"},
      {"x=0x1p-4+1e+5-.5", "x|=|0x1p-4|+|1e+5|-|.5|"},
      {"a//b~=c>>d::e::", "a|//|b|~=|c|>>|d|::|e|::|"},
      {"-- words\na --[[ long\n words ]] b --[==[ ]] ]==] c", "a|b|c|"},
      {"[[long\n]]..[=[ ]] ]=]", "[[long\n]]|..|[=[ ]] ]=]|"},
      {"'it\\'s' \"a\\\\\" 'x\\z   \n y'", "'it\\'s'|\"a\\\\\"|'x\\z   \n y'|"},
      {"#! /usr/bin/lua\nx", "x|"},
      {"t[a[1]]", "t|[|a|[|1|]|]|"},
  };
  for (const auto& row : table) {
    CAPTURE(row.source);
    CHECK(joined(lua_tokens(row.source).value()) == row.tokens);
  }
}

TEST_CASE("tokens know their line and their column in characters") {
  const auto tokens = lua_tokens("a = 'é' b\n  --[[x\ny]] c").value();
  CHECK(tokens[3].line == 1);
  CHECK(tokens[3].column == 9);
  CHECK(tokens[4].line == 3);
  CHECK(tokens[4].column == 5);
}

TEST_CASE("what is no token is an error with its place") {
  for (const auto* source : {"a = 'x", "\n  [[x", "--[[x", "a = 'x\ny'", "a ? b"}) {
    CAPTURE(source);
    CHECK_FALSE(lua_tokens(source).has_value());
  }
  CHECK(lua_tokens("\n  [[x").error().message.find("2:3: ") == 0);
}

TEST_CASE("texts say what Lua says they do") {
  for (const auto* literal :
       {"'a'", "\"a'b\"", "'\\n\\t\\\\\\''", "'\\65\\066\\x41\\u{48}\\u{20AC}\\u{7FFFFFFF}'", "'a\\z  \n  b'", "'a\\\nb'",
        "[[a\\n]]", "[[\na\nb]]", "[==[a]]b]==]", "'\\0001'", "''", "[[]]"}) {
    CAPTURE(literal);
    CHECK(lua_text(literal) == by_lua(literal));
  }
}

TEST_CASE("every app in the tree is understood") {
  for (const auto& entry : std::filesystem::recursive_directory_iterator("plugins")) {
    if (entry.path().extension() != ".lua") continue;
    CAPTURE(entry.path());
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    CHECK(lua_names(text.str()).has_value());
  }
}
