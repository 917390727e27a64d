// Dotted paths, as settings name fields: "properties.address.city".

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/view/lua_text.h"

namespace penstock::scripting {
namespace {

// Tables, and objects and arrays of the event; not null.
bool is_container(lua_State* state, int index) {
  return lua_istable(state, index) || (lua_islightuserdata(state, index) && lua_touserdata(state, index) != nullptr);
}

// A name of digits also means an element: there is no array whose keys are texts.
void push_element(lua_State* state, int container, std::string_view name) {
  if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != std::string_view::npos)
    return lua_pushnil(state);
  lua_Integer number = 0;
  for (const char digit : name) number = number * 10 + (digit - '0');
  lua_geti(state, container, number);
}

// Replaces the container on top by what it has under `name`.
void step_into(lua_State* state, std::string_view name) {
  push_text(state, name);
  if (lua_gettable(state, -2) == LUA_TNIL) {
    lua_pop(state, 1);
    push_element(state, lua_gettop(state), name);
  }
  lua_remove(state, -2);
}

// Cuts the first name off.
std::string_view take_name(std::string_view& path) {
  const auto dot = path.find('.');
  const std::string_view name = path.substr(0, dot);
  path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  return name;
}

std::string_view path_argument(lua_State* state, int index) {
  const std::string_view path = text_argument(state, index);
  luaL_argcheck(state, !path.empty() && path.front() != '.' && path.back() != '.' && !path.contains(".."), index,
                "expected a dotted path such as properties.plan");
  charge_for_bytes(state, path.size());
  return path;
}

int get(lua_State* state) {
  std::string_view path = path_argument(state, 2);
  lua_pushvalue(state, 1);
  while (!path.empty()) {
    if (!is_container(state, -1)) return lua_pushnil(state), 1;
    step_into(state, take_name(path));
  }
  return 1;
}

bool is_array(lua_State* state, int index) {
  if (!lua_istable(state, index)) return Binding::of(state).is_array(state, lua_touserdata(state, index));
  return LuaJson::is_array(state, index) || luaL_len(state, index) > 0;
}

// Puts the value at `value` under `name`: in an object, or in the place of an element that is there.
bool put(lua_State* state, int container, std::string_view name, int value) {
  push_element(state, container, name);
  const bool element = !lua_isnil(state, -1);
  lua_pop(state, 1);
  if (!element && is_array(state, container)) return false;
  push_text(state, name);
  const lua_Integer number = element ? lua_tointeger(state, -1) : 0;
  lua_pushvalue(state, value);
  if (element) lua_seti(state, container, number);
  else lua_settable(state, container);
  return true;
}

// Replaces the value on top by objects around it, named by the path.
void wrap(lua_State* state, std::string_view path) {
  while (!path.empty()) {
    const auto dot = path.rfind('.');
    const std::string_view name = dot == std::string_view::npos ? path : path.substr(dot + 1);
    path = path.substr(0, dot == std::string_view::npos ? 0 : dot);
    lua_createtable(state, 0, 1);
    push_text(state, name);
    lua_rotate(state, -3, -1);  // table, name, value
    lua_rawset(state, -3);
  }
}

// container, path, value → whether there was a place for it.
int set(lua_State* state) {
  std::string_view path = path_argument(state, 2);
  luaL_checkany(state, 3);
  lua_settop(state, 3);
  lua_pushvalue(state, 1);
  for (;;) {
    if (!is_container(state, 4)) return lua_pushboolean(state, 0), 1;
    const std::string_view name = take_name(path);
    if (path.empty()) return lua_pushboolean(state, put(state, 4, name, 3) ? 1 : 0), 1;
    lua_pushvalue(state, 4);
    step_into(state, name);
    if (lua_isnil(state, 5)) {
      if (lua_isnil(state, 3)) return lua_pushboolean(state, 1), 1;  // nothing there to remove
      // What is missing is put there in one piece, so that a value that is refused leaves nothing behind.
      lua_pushvalue(state, 3);
      wrap(state, path);
      return lua_pushboolean(state, put(state, 4, name, 6) ? 1 : 0), 1;
    }
    lua_replace(state, 4);
  }
}

constexpr AppFunction kFunctions[] = {
    {"get", "container: table, path: string", "any",
     "What lies at a dotted path below the event, a part of it, or a table; nil when anything on the way is missing, null "
     "or no "
     "container. A name of digits is also the place of an element: items.1.price.",
     "{app.get(event, 'properties.plan'), app.get(event, 'properties.plan.name') == nil}", R"(["pro",true])", get},
    {"set", "container: table, path: string, value: any", "boolean",
     "Puts a value at a dotted path, makes the objects that are missing on the way, and says true. False, and nothing is "
     "changed, when something else than an object is in the way; a name of digits is also the place of an element that is "
     "there. nil removes.",
     "{app.set(event, 'properties.address.city', 'Oslo'), app.set(event, 'event.name', 'x'), event.properties.address}",
     R"([true,false,{"city":"Oslo"}])", set},
};

}  // namespace

std::span<const AppFunction> path_functions() { return kFunctions; }

}  // namespace penstock::scripting
