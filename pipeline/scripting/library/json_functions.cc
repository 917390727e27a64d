// JSON texts inside of events, as tables.

#include <lua.hpp>
#include <string>

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/json_tables.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/view/lua_text.h"

namespace penstock::scripting {
namespace {

int decode(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  Vm::of(state).charge(state, text.size());
  // One a thread: its buffers are as large as the largest text, of which 1 MiB is the limit.
  thread_local json::Validator validator;
  const auto valid = validator.validate_value(text);
  if (!valid) return no_result(state, valid.error().message);
  push_json(state, *valid);
  return 1;
}

int encode(lua_State* state) {
  luaL_checkany(state, 1);
  if (lua_isnil(state, 1)) return push_text(state, "null"), 1;
  const std::string_view text = Binding::of(state).json().write(state, 1, 0, {nullptr, Document::kNone, "the value"});
  push_text(state, text);
  return 1;
}

int copy(lua_State* state) {
  luaL_checkany(state, 1);
  lua_settop(state, 1);
  const bool part = lua_islightuserdata(state, 1) && lua_touserdata(state, 1) != nullptr;
  if (!part && !lua_istable(state, 1)) return 1;
  const std::string text(Binding::of(state).json().write(state, 1, 0, {nullptr, Document::kNone, "the value"}));
  Vm::of(state).charge(state, text.size());
  push_json(state, text);
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"copy", "value: any", "any",
     "Tables of their own with what a part of the event, or a table, holds now: nothing that happens to one is seen in the "
     "other. Arrays are marked as app.array does, numbers keep their digits; other values are returned as they are. What "
     "has "
     "no JSON (a function, a cycle, a table with holes) is an error that names it.",
     "{before = app.copy(event.properties).plan, numbers = app.copy({1.5, {}})}", R"({"before":"pro","numbers":[1.5,{}]})",
     copy},
    {"json.decode", "text: string", "any, string?",
     "The value of a JSON text: objects and arrays as tables of their own, arrays marked as app.array does, null as "
     "app.null, "
     "numbers as in an event (integers of 64 bits exact, what no double holds as its text; put into the event they keep "
     "their "
     "digits). Of a key that comes twice the last counts. nil and a message with the byte when it is no JSON, larger than "
     "1 MiB or nested deeper than 128 levels.",
     R"(app.json.decode('{"id": 9007199254740993, "price": 1.0, "tags": [], "who": null}'))",
     R"({"id":9007199254740993,"price":1.0,"tags":[],"who":null})", decode},
    {"json.encode", "value: any", "string",
     "The JSON text of a value: a part of the event as it stands, a table with its keys in byte order, nil and app.null as "
     "null, 1.0 as 1.0. NaN, infinity, functions, cycles, tables with holes or mixed keys are errors that name the field.",
     "app.json.encode({b = 1.0, a = {event.properties.plan, app.null}, none = app.array{}})",
     R"("{\"a\":[\"pro\",null],\"b\":1.0,\"none\":[]}")", encode},
};

}  // namespace

std::span<const AppFunction> json_functions() { return kFunctions; }

}  // namespace penstock::scripting
