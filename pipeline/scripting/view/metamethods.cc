// The metatable that events and their parts share: C functions with the part, or null, as their first argument.

#include <array>
#include <string_view>

#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/view/lua_text.h"

namespace penstock::scripting {
namespace {

// Of a walk, beside Lua's own three or four: fifty nanoseconds.
constexpr std::uint64_t kStepSteps = 4;
// More when it is asked to go on from where no walk stands: somewhere in a wide object, 150 nanoseconds.
constexpr std::uint64_t kSearchSteps = 16;
// What was removed is passed over one by one.
constexpr std::size_t kPassedPerStep = 4;

int facts_method(lua_State* state) {
  Binding& binding = Binding::of(state);
  if (lua_islightuserdata(state, 1) && lua_touserdata(state, 1) != nullptr) binding.node_of(state, lua_touserdata(state, 1));
  binding.push_facts_table(state);
  return 1;
}

}  // namespace

struct Metamethods {
  // The document and node meant, looked into. Raises for null, the dead and the damaged.
  struct Target {
    Binding& binding;
    NodeId node;
    Document& document() const { return binding.event_->document(); }
  };

  static Target target(lua_State* state, const char* doing) {
    Binding& binding = Binding::of(state);
    void* part = lua_touserdata(state, 1);
    if (part == nullptr) {
      if (lua_type(state, 2) == LUA_TSTRING)
        luaL_error(state, "attempt to %s app.null (field '%s')", doing, lua_tostring(state, 2));
      luaL_error(state, "attempt to %s app.null", doing);
    }
    const NodeId node = binding.node_of(state, part);
    if (node != Binding::kFacts) {
      if (const auto looked = binding.event_->document().look_into(node); !looked) [[unlikely]]
        luaL_error(state, "%s", looked.error().message.c_str());
    }
    return {binding, node};
  }

  static int index(lua_State* state) {
    const Target it = target(state, "index");
    if (it.node == Binding::kFacts) {
      if (lua_type(state, 2) != LUA_TSTRING || !it.binding.push_fact(state, text_at(state, 2))) lua_pushnil(state);
      return 1;
    }
    const Document& document = it.document();
    if (document.is_array(it.node)) {
      int is_integer = 0;
      const lua_Integer at = lua_type(state, 2) == LUA_TNUMBER ? lua_tointegerx(state, 2, &is_integer) : 0;
      if (is_integer != 0 && at >= 1 && static_cast<std::size_t>(at) <= document.entries(it.node).size())
        it.binding.push(state, it.node, static_cast<std::size_t>(at) - 1);
      else lua_pushnil(state);
      return 1;
    }
    if (lua_type(state, 2) != LUA_TSTRING) return lua_pushnil(state), 1;
    const std::string_view key = text_at(state, 2);
    const std::size_t place = it.binding.find(state, it.node, key);
    if (place != Document::kNowhere && !document.entries(it.node)[place].removed) it.binding.push(state, it.node, place);
    else if (it.node == Document::kRoot && key == "facts") lua_pushcfunction(state, facts_method);
    else lua_pushnil(state);
    return 1;
  }

  static int newindex(lua_State* state) {
    const Target it = target(state, "assign to");
    if (it.node == Binding::kFacts)
      return luaL_error(state,
                        "facts are read-only; a canonical event's fact changes with its field: event.distinct_id = …");
    if (it.binding.access_ == Binding::Access::read) return luaL_error(state, "a condition cannot change the event");
    const int key_type = lua_type(state, 2);
    Document& document = it.document();
    int is_integer = 0;
    const lua_Integer at = key_type == LUA_TNUMBER ? lua_tointegerx(state, 2, &is_integer) : 0;
    const bool empty = !document.is_array(it.node) && it.node != Document::kRoot && is_integer != 0 && at == 1 &&
                       document.size(it.node) == 0 && !lua_isnil(state, 3);
    if (empty) {
      it.binding.stored(state, 3, {&document, it.node, {}, 1});  // raises before anything is changed
      it.binding.event_->before_change();
      document.become_array(it.node);
    }
    const bool has_such_keys = document.is_array(it.node) ? is_integer != 0 : key_type == LUA_TSTRING;
    if (!has_such_keys && lua_isnil(state, 3)) return 0;  // as in a table: there is nothing to remove
    if (document.is_array(it.node)) {
      if (is_integer == 0)
        return luaL_error(state, "%s is an array: its keys are 1 to n", Place{&document, it.node, {}}.to_string().c_str());
      it.binding.assign_element(state, it.node, at);
      return 0;
    }
    if (key_type != LUA_TSTRING)
      return luaL_error(state, "%s is an object: its keys are strings", Place{&document, it.node, {}}.to_string().c_str());
    it.binding.assign(state, it.node, text_at(state, 2));
    return 0;
  }

  static int length(lua_State* state) {
    const Target it = target(state, "take the length of");
    const bool array = it.node != Binding::kFacts && it.document().is_array(it.node);
    lua_pushinteger(state, array ? static_cast<lua_Integer>(it.document().size(it.node)) : 0);
    return 1;
  }

  static int pairs(lua_State* state) {
    const Target it = target(state, "walk over");
    if (it.node != Binding::kFacts) it.document().begin_walk(it.node);
    lua_pushcfunction(state, next);
    lua_pushvalue(state, 1);
    lua_pushnil(state);
    return 3;
  }

  static int next(lua_State* state) {
    lua_settop(state, 2);
    const Target it = target(state, "walk over");
    it.binding.vm_.charge(state, kStepSteps);
    if (it.node == Binding::kFacts) return next_fact(state, it.binding);
    Document& document = it.document();
    const bool array = document.is_array(it.node);
    std::size_t place = Document::kNowhere;
    if (!lua_isnil(state, 2)) {
      if (array) place = static_cast<std::size_t>(lua_tointeger(state, 2)) - 1;
      else if (lua_type(state, 2) == LUA_TSTRING) {
        const std::size_t unindexed = document.unindexed(it.node);
        place = document.find(it.node, text_at(state, 2), document.cursor(it.node));
        if (place != document.cursor(it.node)) it.binding.vm_.charge(state, kSearchSteps + unindexed);
      }
      if (place == Document::kNowhere) return luaL_error(state, "next: no such key");
    }
    const std::size_t from = place + 1;  // 0 after kNowhere
    place = document.walk_on(it.node, place);
    const std::size_t reached = place == Document::kNowhere ? document.entries(it.node).size() : place;
    if (reached > from) [[unlikely]]
      it.binding.vm_.charge(state, (reached - from) / kPassedPerStep);
    if (place == Document::kNowhere) return lua_pushnil(state), 1;
    if (array) lua_pushinteger(state, static_cast<lua_Integer>(place) + 1);
    else push_text(state, document.entries(it.node)[place].key);
    it.binding.push(state, it.node, place);
    return 2;
  }

  static int next_fact(lua_State* state, const Binding& binding) {
    std::size_t at = 0;
    if (lua_type(state, 2) == LUA_TSTRING)
      while (at < Binding::kFactNames.size() && text_at(state, 2) != Binding::kFactNames[at++]) {}
    for (; at < Binding::kFactNames.size(); ++at) {
      lua_pushstring(state, Binding::kFactNames[at]);
      if (binding.push_fact(state, Binding::kFactNames[at])) return 2;
      lua_pop(state, 1);
    }
    return lua_pushnil(state), 1;
  }

  // table.insert(part, place, value), the place at index 2; and table.remove(part, place), which returns what it removed.
  // Elements that somebody has looked into move with all that is done to them.
  static int insert(lua_State* state) {
    const Target it = target(state, "insert into");
    if (it.binding.access_ == Binding::Access::read) return luaL_error(state, "a condition cannot change the event");
    it.binding.insert_element(state, it.node, lua_tointeger(state, 2));
    return 0;
  }

  static int remove(lua_State* state) {
    const Target it = target(state, "remove from");
    if (it.binding.access_ == Binding::Access::read) return luaL_error(state, "a condition cannot change the event");
    const lua_Integer index = lua_tointeger(state, 2);
    it.binding.push(state, it.node, static_cast<std::size_t>(index) - 1);
    it.binding.remove_element(it.node, index);
    return 1;
  }

  // What Lua would call a userdata, in the words of whoever wrote the script.
  static const char* name_of(lua_State* state, int index) {
    if (!lua_islightuserdata(state, index)) return luaL_typename(state, index);
    if (lua_touserdata(state, index) == nullptr) return "null (app.null)";
    Binding& binding = Binding::of(state);
    const NodeId node = binding.node_of(state, lua_touserdata(state, index));
    if (node == Binding::kFacts) return "table";
    return binding.event_->document().is_array(node) ? "array of the event" : "object of the event";
  }

  template <const char* doing>
  static int refuse(lua_State* state) {
    const int guilty = lua_islightuserdata(state, 1) ? 1 : 2;
    return luaL_error(state, "attempt to %s a value that is a%s %s", doing,
                      name_of(state, guilty)[0] == 'a' || name_of(state, guilty)[0] == 'o' ? "n" : "",
                      name_of(state, guilty));
  }

  static int refuse_compare(lua_State* state) {
    return luaL_error(state, "attempt to compare %s with %s", name_of(state, 1), name_of(state, 2));
  }

  // An error value that is no string: error({code = 5}).
  static int describe_value(lua_State* state) {
    if (luaL_getmetafield(state, 1, "__tostring") != LUA_TNIL || lua_type(state, 1) == LUA_TNUMBER)
      return luaL_tolstring(state, 1, nullptr), 1;
    if (!lua_istable(state, 1) && !lua_islightuserdata(state, 1))
      return lua_pushfstring(state, "error value is a %s", luaL_typename(state, 1)), 1;
    push_text(state, Binding::of(state).json().write(state, 1, 0, {nullptr, Document::kNone, "the error value"}));
    return 1;
  }

  static constexpr char kCalculate[] = "calculate with";
  static constexpr char kConcatenate[] = "concatenate";
  static constexpr char kCall[] = "call";

  // A field named `facts` is read before the method: `event:facts()` then calls the field's value. A call tells by its name that the
  // method is meant, so it works whatever the field is. Everything else is refused in Lua's own words.
  static int call(lua_State* state) {
    lua_Debug called{};
    const bool known =
        lua_getstack(state, 0, &called) != 0 && lua_getinfo(state, "n", &called) != 0 && called.name != nullptr;
    const Binding& binding = Binding::of(state);
    const bool on_event = binding.has_event() && lua_islightuserdata(state, 2) && lua_touserdata(state, 2) == binding.root();
    if (known && on_event && called.namewhat == std::string_view("method") && called.name == std::string_view("facts"))
      return lua_remove(state, 1), facts_method(state);
    if (lua_islightuserdata(state, 1)) return refuse<kCall>(state);
    if (!known) return luaL_error(state, "attempt to call a %s value", luaL_typename(state, 1));
    return luaL_error(state, "attempt to call a %s value (%s '%s')", luaL_typename(state, 1), called.namewhat, called.name);
  }

  // For a type of Lua's own; the value on top is one of it.
  static void make_callable(lua_State* state) {
    if (lua_getmetatable(state, -1) == 0) {
      lua_newtable(state);
      lua_pushboolean(state, 0);
      lua_setfield(state, -2, "__metatable");
    }
    lua_pushcfunction(state, call);
    lua_setfield(state, -2, "__call");
    lua_setmetatable(state, -2);
    lua_pop(state, 1);
  }

  static int to_string(lua_State* state) {
    void* part = lua_touserdata(state, 1);
    Binding& binding = Binding::of(state);
    if (part == nullptr) lua_pushliteral(state, "null");
    else if (binding.node_of(state, part) == Binding::kFacts) lua_pushliteral(state, "facts");
    else push_text(state, binding.part_text(state, part));
    return 1;
  }
};

Result<void> Binding::install() {
  return vm_.protect([this](lua_State* state) {
    json_.install(state);
    vm_.set_describe_value(Metamethods::describe_value);
    constexpr luaL_Reg kFunctions[] = {{"__index", Metamethods::index},
                                       {"__newindex", Metamethods::newindex},
                                       {"__len", Metamethods::length},
                                       {"__pairs", Metamethods::pairs},
                                       {"__next", Metamethods::next},
                                       {"__tostring", Metamethods::to_string},
                                       {"__insert", Metamethods::insert},
                                       {"__remove", Metamethods::remove},
                                       {"__concat", Metamethods::refuse<Metamethods::kConcatenate>},
                                       {"__call", Metamethods::call},
                                       {"__lt", Metamethods::refuse_compare},
                                       {"__le", Metamethods::refuse_compare},
                                       {nullptr, nullptr}};
    constexpr std::array kOperators{"__add",  "__sub",  "__mul", "__div",  "__mod", "__pow", "__unm",
                                    "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__bnot"};
    lua_pushlightuserdata(state, nullptr);
    lua_newtable(state);
    luaL_setfuncs(state, kFunctions, 0);
    for (const char* name : kOperators) {
      lua_pushcfunction(state, Metamethods::refuse<Metamethods::kCalculate>);
      lua_setfield(state, -2, name);
    }
    lua_pushboolean(state, 0);
    lua_setfield(state, -2, "__metatable");
    lua_pushliteral(state, "object, array or null of the event");  // for Lua's messages on arguments
    lua_setfield(state, -2, "__name");
    lua_setmetatable(state, -2);
    lua_pop(state, 1);
    lua_pushinteger(state, 0);
    Metamethods::make_callable(state);
    lua_pushboolean(state, 0);
    Metamethods::make_callable(state);
    lua_pushliteral(state, "");
    Metamethods::make_callable(state);
  });
}

}  // namespace penstock::scripting
