// Times as milliseconds since 1970, and as texts.

#include <lua.hpp>

#include "pipeline/event/timestamps.h"
#include "pipeline/scripting/library/app_function.h"

namespace penstock::scripting {
namespace {

int parse(lua_State* state) {
  if (const auto time = parse_timestamp(text_argument(state, 1))) lua_pushinteger(state, time->ms);
  else lua_pushnil(state);
  return 1;
}

int format(lua_State* state) {
  constexpr lua_Integer kYear1 = -62'135'596'800'000;
  constexpr lua_Integer kYear9999End = 253'402'300'799'999;
  const lua_Integer ms = luaL_checkinteger(state, 1);
  luaL_argcheck(state, ms >= kYear1 && ms <= kYear9999End, 1, "a time in milliseconds of the years 1 to 9999 expected");
  const std::string text = format_timestamp(Timestamp{ms});
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"time.parse", "text: string", "integer?", "Milliseconds since 1970 of an ISO 8601 time, or nil when it is none.",
     "app.time.parse('2026-08-01T10:00:00Z')", "1785578400000", parse},
    {"time.format", "milliseconds: integer", "string", "The ISO 8601 text of a time.", "app.time.format(1785578400123)",
     "\"2026-08-01T10:00:00.123Z\"", format},
};

}  // namespace

std::span<const AppFunction> time_functions() { return kFunctions; }

}  // namespace penstock::scripting
