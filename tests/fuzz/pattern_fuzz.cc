// links: scripting_vm lua
// Our string.find, match, gmatch and gsub against those of Lua itself, which are the judge: the same results, or the same
// error. Subjects and patterns are short, for Lua's own matcher knows no limit.

#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "pipeline/base/check.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kTextMax = 24;

// Answers with all results as one text, or with the error.
constexpr const char* kScript = R"(
local call, text, pattern, replacement, number = ...
local function shown(...)
  local parts = {}
  for i = 1, select('#', ...) do
    local value = (select(i, ...))
    parts[i] = math.type(value) or type(value) == 'string' and '"' .. value .. '"' or type(value)
    if math.type(value) then parts[i] = parts[i] .. value end
  end
  return table.concat(parts, ',')
end
local calls = {
  function() return text:find(pattern, number) end,
  function() return text:match(pattern, number) end,
  function()
    local all = {}
    for a, b, c in text:gmatch(pattern, number) do all[#all + 1] = shown(a, b, c) end
    return table.concat(all, ';')
  end,
  function() return text:gsub(pattern, replacement) end,
  function() return text:gsub(pattern, replacement, number) end,
  function() return text:gsub(pattern, {a = 'A', b = false, [1] = 2, [''] = '-'}) end,
  function() return text:gsub(pattern, function(...) return shown(...) end) end,
  function() return text:gsub(pattern, function(a) if a == 'a' then return nil elseif a == 'b' then return {} else return 7 end end) end,
  function() return text:find(pattern, number, true) end,
}
local run = calls[call % #calls + 1]
return shown(pcall(run))
)";

struct Input {
  int call = 0;
  int number = 0;
  std::string_view text;
  std::string_view pattern;
  std::string_view replacement;
};

// Two bytes, then three texts with a byte of length each.
Input cut(std::string_view bytes) {
  const auto take = [&bytes](std::size_t size) {
    const std::string_view part = bytes.substr(0, size);
    bytes.remove_prefix(part.size());
    return part;
  };
  const auto number = [&] {
    const auto byte = take(1);
    return byte.empty() ? 0 : static_cast<unsigned char>(byte[0]);
  };
  Input input;
  input.call = number();
  input.number = number() % 40 - 12;
  input.pattern = take(static_cast<std::size_t>(number()) % (kTextMax + 1));
  input.text = take(static_cast<std::size_t>(number()) % (kTextMax + 1));
  input.replacement = bytes.substr(0, kTextMax);
  return input;
}

void push_arguments(lua_State* state, const Input& input) {
  lua_pushinteger(state, input.call);
  lua_pushlstring(state, input.text.data(), input.text.size());
  lua_pushlstring(state, input.pattern.data(), input.pattern.size());
  lua_pushlstring(state, input.replacement.data(), input.replacement.size());
  lua_pushinteger(state, input.number);
}

std::string pop_text(lua_State* state) {
  std::size_t size = 0;
  const char* text = lua_tolstring(state, -1, &size);
  std::string copy(text, size);
  lua_pop(state, 1);
  return copy;
}

class Judge {
 public:
  Judge() : state_(luaL_newstate()) {
    luaL_openlibs(state_);
    CHECK(luaL_loadbufferx(state_, kScript, std::string_view(kScript).size(), "=app.lua", "t") == LUA_OK);
  }
  ~Judge() { lua_close(state_); }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  std::string answer(const Input& input) {
    lua_pushvalue(state_, 1);
    push_arguments(state_, input);
    CHECK(lua_pcall(state_, 5, 1, 0) == LUA_OK);
    return pop_text(state_);
  }

 private:
  lua_State* state_;
};

class Ours {
 public:
  Ours() : vm_(Vm::create({.memory_max = 64_MiB, .instructions_max = 1'000'000'000, .time_max = Duration{60'000}}).value()) {
    vm_->freeze_globals();
    CHECK(vm_->compile(kScript, "app.lua").has_value());
    script_ = lua_gettop(vm_->state());
  }

  std::string answer(const Input& input) {
    lua_pushvalue(vm_->state(), script_);
    push_arguments(vm_->state(), input);
    CHECK(vm_->call(5, 1));
    return pop_text(vm_->state());
  }

 private:
  std::unique_ptr<Vm> vm_;
  int script_ = 0;
};

void check(std::string_view bytes) {
  static Judge judge;
  static Ours ours;
  const Input input = cut(bytes);
  const std::string expected = judge.answer(input);
  std::string got = ours.answer(input);
  // The one message where ours says more.
  constexpr std::string_view kMore = " in replacement string";
  if (got.find("invalid capture index") != std::string::npos)
    if (const auto at = got.rfind(kMore); at != std::string::npos) got.erase(at, kMore.size());
  if (got == expected) return;
  fmt::print(stderr, "call {} number {} pattern '{}' text '{}' replacement '{}'\n  Lua:  {}\n  ours: {}\n", input.call % 9,
             input.number, input.pattern, input.text, input.replacement, expected, got);
  CHECK(got == expected);
}

}  // namespace
}  // namespace penstock::scripting

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  penstock::scripting::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
