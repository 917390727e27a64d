// The string and utf8 libraries, less the patterns: charged by what they touch.

#include <algorithm>
#include <cstring>
#include <lua.hpp>
#include <string_view>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/original.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kBytesPerStep = 16;
constexpr std::size_t kRepeatBytesMax = 16u << 20;
constexpr lua_Integer kResultsMax = 16'384;

void charge(lua_State* state, std::uint64_t steps) { Vm::of(state).charge(state, steps); }

std::uint64_t size_of(lua_State* state, int index) {
  return lua_type(state, index) == LUA_TSTRING ? lua_rawlen(state, index) : 0;
}

int charge_text(lua_State* state) {
  charge(state, 1 + size_of(state, 1) / kBytesPerStep);
  return original(state);
}

int charge_every_byte(lua_State* state) {
  charge(state, 1 + size_of(state, 1));
  return original(state);
}

// The text may be long and the part short.
int charge_result(lua_State* state) {
  const int results = original(state);
  charge(state, 1 + size_of(state, -1) / kBytesPerStep);
  return results;
}

int next_code(lua_State* state) {
  charge(state, 3);
  return original(state);
}

// What it returns first is an iterator, called once a character.
int codes(lua_State* state) {
  charge_text(state);
  lua_pushvalue(state, -3);
  lua_pushcclosure(state, next_code, 1);
  lua_replace(state, -4);
  return 3;
}

// The format is read option by option, the rest is copied.
int charge_packing(lua_State* state) {
  std::uint64_t bytes = 0;
  for (int i = lua_gettop(state); i > 1; --i) bytes += size_of(state, i);
  charge(state, 1 + size_of(state, 1) + bytes / kBytesPerStep);
  return original(state);
}

int unpack(lua_State* state) {
  const int results = charge_packing(state);
  if (results > kResultsMax) return luaL_error(state, "too many results to unpack (more than %I)", kResultsMax);
  return results;
}

// string.byte and utf8.codepoint give a value for each place from the second argument to the third.
int charge_places(lua_State* state) {
  const auto size = static_cast<lua_Integer>(size_of(state, 1));
  const auto place = [&](lua_Integer at) { return at >= 0 ? at : std::max<lua_Integer>(size + at + 1, 0); };
  const lua_Integer first = place(luaL_optinteger(state, 2, 1));
  const lua_Integer last = std::min(place(luaL_optinteger(state, 3, first)), size);
  if (last - first >= kResultsMax) return luaL_error(state, "string slice too long (more than %I values)", kResultsMax);
  charge(state, static_cast<std::uint64_t>(std::max<lua_Integer>(last - first + 1, 1)));
  return original(state);
}

int repeat(lua_State* state) {
  std::size_t size = 0;
  std::size_t separator_size = 0;
  const char* text = luaL_checklstring(state, 1, &size);
  const lua_Integer times = luaL_checkinteger(state, 2);
  const char* separator = luaL_optlstring(state, 3, "", &separator_size);
  if (times <= 0 || size + separator_size == 0) return lua_pushliteral(state, ""), 1;
  const std::size_t unit = size + separator_size;
  if (static_cast<std::uint64_t>(times) > kRepeatBytesMax / unit)
    return luaL_error(state, "string.rep: the result would be longer than 16 MiB");
  const std::size_t all = unit * static_cast<std::size_t>(times);
  charge(state, 1 + all / kBytesPerStep);
  luaL_Buffer out;
  char* bytes = luaL_buffinitsize(state, &out, all);
  std::memcpy(bytes, text, size);
  std::memcpy(bytes + size, separator, separator_size);
  for (std::size_t done = unit; done < all; done *= 2) std::memcpy(bytes + done, bytes, std::min(done, all - done));
  luaL_pushresultsize(&out, all - separator_size);
  return 1;
}

// Looks at each directive: what is not text is made text here for %s, which else would show an address, as %p does.
std::uint64_t prepare_format(lua_State* state, std::string_view format) {
  constexpr std::uint64_t kDirective = 20;
  std::uint64_t steps = 0;
  int argument = 1;
  while (true) {
    const std::size_t escape = format.find('%');
    if (escape == std::string_view::npos) return steps;
    format.remove_prefix(escape + 1);
    if (format.starts_with('%')) {
      format.remove_prefix(1);
      continue;
    }
    const std::size_t kind = format.find_first_not_of("-+ #0123456789.");
    ++argument;
    steps += kDirective;
    if (kind == std::string_view::npos) return steps;
    if (format[kind] == 'p')
      luaL_error(state, "string.format: %%p is not available to apps: an address differs from run to run");
    if (format[kind] == 's' && lua_type(state, argument) > LUA_TNIL && lua_type(state, argument) != LUA_TSTRING) {
      push_as_text(state, argument);
      lua_replace(state, argument);
    }
    format.remove_prefix(kind + 1);
  }
}

// The digits of a long number cost more than copying them.
int format(lua_State* state) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(state, 1, &size);
  std::uint64_t steps = 1 + prepare_format(state, {text, size}) + size / kBytesPerStep;
  bool numbers = false;
  for (int i = lua_gettop(state); i > 1; --i) {
    steps += size_of(state, i) / kBytesPerStep;
    numbers = numbers || lua_type(state, i) == LUA_TNUMBER;
  }
  charge(state, steps);
  const int results = original(state);
  constexpr std::uint64_t kStepsPerDigit = 4;
  charge(state, numbers ? size_of(state, -1) * kStepsPerDigit : size_of(state, -1) / kBytesPerStep);
  return results;
}

// Arithmetic reads a text as a number; the more of its digits count, the longer that takes.
int charge_numerals(lua_State* state) {
  const std::uint64_t size = size_of(state, 1) + size_of(state, 2);
  constexpr std::uint64_t kExactDigits = 400;  // what is beyond them is only looked at
  charge(state, 1 + size / 4 + 2 * std::min(size, kExactDigits));
  return original(state);
}

}  // namespace

void add_string(lua_State* state) {
  luaL_requiref(state, "string", luaopen_string, 0);
  remove(state, {"dump"});
  check(state, {{"rep", repeat},
                {"lower", charge_text},
                {"upper", charge_text},
                {"reverse", charge_text},
                {"format", format},
                {"byte", charge_places},
                {"char", charge_result},
                {"sub", charge_result},
                {"pack", charge_packing},
                {"packsize", charge_packing},
                {"unpack", unpack}});
  add_patterns(state);
  lua_pushliteral(state, "");
  lua_getmetatable(state, -1);
  check(state, {{"__add", charge_numerals},
                {"__sub", charge_numerals},
                {"__mul", charge_numerals},
                {"__mod", charge_numerals},
                {"__pow", charge_numerals},
                {"__div", charge_numerals},
                {"__idiv", charge_numerals},
                {"__unm", charge_numerals}});
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 2);
  freeze_table(state);
  lua_setfield(state, -2, "string");
}

void check_utf8(lua_State* state) {
  check(state, {{"len", charge_every_byte},
                {"codepoint", charge_places},
                {"offset", charge_every_byte},
                {"codes", codes},
                {"char", charge_result}});
}

}  // namespace penstock::scripting
