#include "pipeline/scripting/transform/binding.h"

#include <lua.hpp>

#include <array>
#include <cstring>

namespace penstock::scripting {
namespace {

constexpr std::size_t kArenaBytesMax = 64u << 20;
// A search through more members than this is charged, so that no script makes a large object quadratic for free.
constexpr std::size_t kSearchedForFree = 64;

constexpr const char* kOver =
    "this part belongs to an event that is over; keep a copy of the values you need, not the event or its parts";

constexpr std::array<const char*, 8> kFactNames{"uuid",      "project",   "event",       "distinct_id",
                                                "person_id", "timestamp", "received_at", "source"};

std::string_view text_at(lua_State* state, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

void push_text(lua_State* state, std::string_view text) { lua_pushlstring(state, text.data(), text.size()); }

std::string_view inside(std::string_view quoted) { return quoted.substr(1, quoted.size() - 2); }
bool has_escape(std::string_view text) { return std::memchr(text.data(), '\\', text.size()) != nullptr; }

int facts_method(lua_State* state) {
  Binding& binding = Binding::of(state);
  if (lua_islightuserdata(state, 1) && lua_touserdata(state, 1) != nullptr) binding.node_of(state, lua_touserdata(state, 1));
  binding.push_facts_table(state);
  return 1;
}

}  // namespace

// What the shared metatable holds: C functions with the part, or null, as their first argument.
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
    if (place != Document::kNowhere) it.binding.push(state, it.node, place);
    else if (it.node == Document::kRoot && key == "facts") lua_pushcfunction(state, facts_method);
    else lua_pushnil(state);
    return 1;
  }

  static int newindex(lua_State* state) {
    const Target it = target(state, "assign to");
    if (it.node == Binding::kFacts)
      return luaL_error(state, "facts are read-only; a canonical event's fact changes with its field: event.distinct_id = …");
    if (it.binding.access_ == Binding::Access::read) return luaL_error(state, "a condition cannot change the event");
    const int key_type = lua_type(state, 2);
    Document& document = it.document();
    int is_integer = 0;
    const lua_Integer at = key_type == LUA_TNUMBER ? lua_tointegerx(state, 2, &is_integer) : 0;
    const bool empty = !document.is_array(it.node) && it.node != Document::kRoot && is_integer != 0 && at == 1 &&
                       document.size(it.node) == 0 && !lua_isnil(state, 3);
    if (empty) {
      it.binding.event_->before_change();
      document.become_array(it.node);
    }
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
    target(state, "walk over");
    lua_pushcfunction(state, next);
    lua_pushvalue(state, 1);
    lua_pushnil(state);
    return 3;
  }

  static int next(lua_State* state) {
    lua_settop(state, 2);
    const Target it = target(state, "walk over");
    if (it.node == Binding::kFacts) return next_fact(state, it.binding);
    Document& document = it.document();
    const auto& entries = document.entries(it.node);
    const bool array = document.is_array(it.node);
    std::size_t place = 0;
    if (!lua_isnil(state, 2)) {
      if (array) place = static_cast<std::size_t>(lua_tointeger(state, 2));
      else if (lua_type(state, 2) == LUA_TSTRING) place = document.find(it.node, text_at(state, 2), document.cursor(it.node)) + 1;
      if (place == 0) return luaL_error(state, "next: no such key");
    }
    while (place < entries.size() && entries[place].removed) ++place;
    if (place >= entries.size()) return lua_pushnil(state), 1;
    document.cursor(it.node) = place;
    if (array) lua_pushinteger(state, static_cast<lua_Integer>(place) + 1);
    else push_text(state, entries[place].key);
    it.binding.push(state, it.node, place);
    return 2;
  }

  static int next_fact(lua_State* state, const Binding& binding) {
    std::size_t at = 0;
    if (lua_type(state, 2) == LUA_TSTRING)
      while (at < kFactNames.size() && text_at(state, 2) != kFactNames[at++]) {}
    for (; at < kFactNames.size(); ++at) {
      lua_pushstring(state, kFactNames[at]);
      if (binding.push_fact(state, kFactNames[at])) return 2;
      lua_pop(state, 1);
    }
    return lua_pushnil(state), 1;
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

Binding::Binding(Vm& vm)
    : vm_(vm), json_([](lua_State* state, void* part) { return Binding::of(state).part_text(state, part); }) {
  vm.set_owner(this);
}

Result<void> Binding::install() {
  return vm_.protect([this](lua_State* state) {
    json_.install(state);
    constexpr luaL_Reg kFunctions[] = {
        {"__index", Metamethods::index}, {"__newindex", Metamethods::newindex}, {"__len", Metamethods::length},
        {"__pairs", Metamethods::pairs}, {"__next", Metamethods::next},         {"__tostring", Metamethods::to_string},
        {nullptr, nullptr}};
    lua_pushlightuserdata(state, nullptr);
    lua_newtable(state);
    luaL_setfuncs(state, kFunctions, 0);
    lua_pushboolean(state, 0);
    lua_setfield(state, -2, "__metatable");
    lua_setmetatable(state, -2);
  });
}

void Binding::open(EventState& event, Access access) {
  event_ = &event;
  access_ = access;
  ++generation_;
}

EventState& Binding::event(lua_State* state) {
  if (event_ == nullptr) luaL_error(state, "there is no event while the app is being loaded");
  return *event_;
}

NodeId Binding::node_of(lua_State* state, void* part) const {
  const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(part));
  constexpr std::uint64_t kGenerations = ~std::uint64_t{0} >> kNodeBits;
  if (event_ == nullptr || bits >> kNodeBits != (generation_ & kGenerations)) [[unlikely]] luaL_error(state, kOver);
  return static_cast<NodeId>(bits & ((1u << kNodeBits) - 1)) - 1;
}

std::size_t Binding::find(lua_State* state, NodeId node, std::string_view key) {
  const auto& entries = event_->document().entries(node);
  std::uint32_t& hint = hints_[(reinterpret_cast<std::uintptr_t>(key.data()) >> 4) & (hints_.size() - 1)];
  if (hint < entries.size() && entries[hint].key == key) [[likely]] return hint;
  if (entries.size() > kSearchedForFree) vm_.charge(state, entries.size() / 8);
  const std::size_t place = event_->document().find(node, key);
  if (place != Document::kNowhere) hint = static_cast<std::uint32_t>(place);
  return place;
}

void Binding::push(lua_State* state, NodeId node, std::size_t place) {
  const Document::Entry& entry = event_->document().entries(node)[place];
  if (entry.removed) return lua_pushnil(state);
  const std::string_view raw = entry.raw;
  switch (raw.front()) {
    case '"': {
      const std::string_view text = inside(raw);
      push_text(state, has_escape(text) ? json::unescape(raw, scratch_) : text);
      return;
    }
    case '{':
    case '[': {
      const NodeId child = event_->document().child(node, place);
      if (child == Document::kNone) luaL_error(state, "this event has too many objects and arrays to look into");
      return lua_pushlightuserdata(state, encode(child));
    }
    case 't': return lua_pushboolean(state, 1);
    case 'f': return lua_pushboolean(state, 0);
    case 'n': return lua_pushlightuserdata(state, nullptr);
    default: break;
  }
  if (const auto integer = json::to_int64(raw)) return lua_pushinteger(state, *integer);
  if (const auto number = json::to_double(raw)) return lua_pushnumber(state, *number);
  push_text(state, raw);
}

bool Binding::push_fact(lua_State* state, std::string_view name) const {
  const Facts& facts = event_->facts();
  if (name == "timestamp") return lua_pushinteger(state, facts.timestamp.ms), true;
  if (name == "received_at") return lua_pushinteger(state, facts.received_at.ms), true;
  if (name == "uuid") {
    char text[36];
    facts.uuid.format_to(text);
    return push_text(state, {text, sizeof text}), true;
  }
  const auto text = name == "project"       ? facts.project
                    : name == "event"       ? facts.event
                    : name == "distinct_id" ? facts.distinct_id
                    : name == "person_id"   ? facts.person_id
                    : name == "source"      ? facts.source
                                            : std::string_view();
  if (text.empty()) return false;
  push_text(state, text);
  return true;
}

void Binding::push_facts_table(lua_State* state) {
  event(state);
  lua_createtable(state, 0, static_cast<int>(kFactNames.size()));
  for (const char* name : kFactNames)
    if (push_fact(state, name)) lua_setfield(state, -2, name);
}

std::string_view Binding::part_text(lua_State* state, void* part) {
  const NodeId node = node_of(state, part);
  if (node == kFacts) luaL_error(state, "facts cannot be stored whole; copy the ones you need");
  const std::string_view text = event_->document().text(node);
  vm_.charge(state, text.size() / 16);
  return text;
}

// Whether reading the entry gives just this value: then assigning it changes no byte.
bool Binding::same(lua_State* state, int index, const Document::Entry& entry) {
  const std::string_view raw = entry.raw;
  switch (lua_type(state, index)) {
    case LUA_TBOOLEAN: return raw == (lua_toboolean(state, index) != 0 ? "true" : "false");
    case LUA_TLIGHTUSERDATA: {
      void* part = lua_touserdata(state, index);
      if (part == nullptr) return raw == "null";
      return entry.child != Document::kNone && part == encode(entry.child);
    }
    case LUA_TNUMBER: {
      if (json::kind_of(raw) != json::Kind::number) return false;
      const auto integer = json::to_int64(raw);
      if (lua_isinteger(state, index) != 0) return integer == lua_tointeger(state, index);
      const auto number = integer ? std::nullopt : json::to_double(raw);
      const double assigned = lua_tonumber(state, index);
      return number && std::memcmp(&*number, &assigned, sizeof assigned) == 0;
    }
    case LUA_TSTRING: {
      const std::string_view text = text_at(state, index);
      if (raw.front() == '"') {
        if (inside(raw) == text && !has_escape(text)) return true;
        return has_escape(raw) && json::unescape(raw, scratch_) == text;
      }
      return raw == text && json::kind_of(raw) == json::Kind::number && !json::to_double(raw);
    }
    default: return false;
  }
}

// The value as JSON that lives as long as the event.
std::string_view Binding::stored(lua_State* state, int index, const Place& place) {
  Arena& arena = event_->arena();
  switch (lua_type(state, index)) {
    case LUA_TBOOLEAN: return lua_toboolean(state, index) != 0 ? "true" : "false";
    case LUA_TSTRING: {
      const std::string_view text = text_at(state, index);
      if (text.size() > 4096 || !is_plain(text)) break;
      char* to = arena.allocate(text.size() + 2);
      *to = to[text.size() + 1] = '"';
      std::memcpy(to + 1, text.data(), text.size());
      return {to, text.size() + 2};
    }
    case LUA_TLIGHTUSERDATA: {
      void* part = lua_touserdata(state, index);
      if (part == nullptr) return "null";
      const std::string_view text = part_text(state, part);
      if (event_->document().depth(place.node) + depth_of(text) > kDepthMax)
        luaL_error(state, "%s: nested deeper than 128 levels", place.to_string().c_str());
      if (text.size() > kBodyBytesMax) luaL_error(state, "%s: larger than 1 MiB", place.to_string().c_str());
      return text;
    }
    default: break;
  }
  const std::string_view text = json_.write(state, index, event_->document().depth(place.node), place);
  vm_.charge(state, text.size() / 8);
  return arena.copy(text);
}

void Binding::assign_fact(lua_State* state, NodeId node, std::string_view key, std::string_view raw) {
  if (node != Document::kRoot || !event_->canonical() || !is_canonical_field(key)) return;
  if (const auto assigned = event_->assign_fact(key, raw); !assigned)
    luaL_error(state, "%s", assigned.error().message.c_str());
}

void Binding::assign(lua_State* state, NodeId node, std::string_view key) {
  Document& document = event_->document();
  const std::size_t place = find(state, node, key);
  const bool exists = place != Document::kNowhere && !document.entries(node)[place].removed;
  if (lua_isnil(state, 3)) {
    if (!exists) return;
    event_->before_change();
    assign_fact(state, node, key, {});
    document.remove(node, place);
    return;
  }
  if (exists && same(state, 3, document.entries(node)[place])) return;
  if (event_->arena().used() > kArenaBytesMax) luaL_error(state, "more than 64 MiB were assigned to one event");
  const std::string_view raw = stored(state, 3, {&document, node, key});
  event_->before_change();
  assign_fact(state, node, key, raw);
  if (place != Document::kNowhere) document.replace(node, place, raw);
  else document.append(node, event_->arena().copy(key), raw);
}

void Binding::assign_element(lua_State* state, NodeId node, long long index) {
  Document& document = event_->document();
  const auto size = static_cast<long long>(document.entries(node).size());
  const Place where{&document, node, {}, index};
  if (index < 1 || index > size + 1 || (index == size + 1 && lua_isnil(state, 3))) {
    if (lua_isnil(state, 3) && index >= 1) return;
    luaL_error(state, "%s: the array has %d elements; append at %d", where.to_string().c_str(), static_cast<int>(size),
               static_cast<int>(size + 1));
  }
  const auto place = static_cast<std::size_t>(index - 1);
  if (lua_isnil(state, 3)) {
    event_->before_change();
    document.remove(node, place);
    return;
  }
  const bool exists = index <= size && !document.entries(node)[place].removed;
  if (exists && same(state, 3, document.entries(node)[place])) return;
  if (event_->arena().used() > kArenaBytesMax) luaL_error(state, "more than 64 MiB were assigned to one event");
  const std::string_view raw = stored(state, 3, where);
  event_->before_change();
  if (index <= size) document.replace(node, place, raw);
  else document.append(node, {}, raw);
}

}  // namespace penstock::scripting
