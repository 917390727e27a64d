#include "pipeline/scripting/view/binding.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "pipeline/base/same_text.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/view/lua_text.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kAssignedBytesMax = 64u << 20;
constexpr std::size_t kComparedPerStep = 32;
constexpr std::size_t kKeyBytesMax = 64u << 10;  // of a new member

// Keys are compared and hashed to be found.
constexpr std::size_t kKeyBytesUncharged = 256;
constexpr std::size_t kUnescapedPerStep = 4;  // bytes; a text that is all escapes takes 2 ns a byte
constexpr std::size_t kKeyBytesPerStep = 8;

constexpr const char* kOver =
    "this part belongs to an event that is over; keep a copy of the values you need, not the event or its parts";

std::string_view inside(std::string_view quoted) { return quoted.substr(1, quoted.size() - 2); }
bool has_escape(std::string_view text) { return std::memchr(text.data(), '\\', text.size()) != nullptr; }

}  // namespace

Binding::Binding(Vm& vm)
    : vm_(vm), json_([](lua_State* state, void* part) { return Binding::of(state).part_text(state, part); }, numbers_) {
  vm.set_owner(this);
}

void Binding::open(EventState& event, Access access) {
  event_ = &event;
  access_ = access;
  ++generation_;
  numbers_.clear();
}

EventState& Binding::event(lua_State* state) {
  if (event_ == nullptr) {
    luaL_error(state, "there is no event while the app is being loaded");
    std::unreachable();
  }
  return *event_;
}

NodeId Binding::node_of(lua_State* state, void* part) const {
  const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(part));
  constexpr std::uint64_t kGenerations = ~std::uint64_t{0} >> kNodeBits;
  if (event_ == nullptr || bits >> kNodeBits != (generation_ & kGenerations)) [[unlikely]]
    luaL_error(state, kOver);
  return static_cast<NodeId>(bits & ((1u << kNodeBits) - 1)) - 1;
}

std::size_t Binding::find(lua_State* state, NodeId node, std::string_view key) {
  if (key.size() > kKeyBytesUncharged) [[unlikely]]
    vm_.charge(state, key.size() / kKeyBytesPerStep);
  const auto& entries = event_->document().entries(node);
  std::uint32_t& hint = hints_[(reinterpret_cast<std::uintptr_t>(key.data()) >> 4) & (hints_.size() - 1)];
  if (hint < entries.size() && same_text(entries[hint].key, key)) [[likely]]
    return hint;
  const std::size_t walked = event_->document().cursor(node);  // a walk that changes the member it is at searches nothing
  if (walked < entries.size() && same_text(entries[walked].key, key)) return walked;
  if (const std::size_t first = event_->document().unindexed(node); first > 0) [[unlikely]]
    vm_.charge(state, first);
  vm_.charge(state, key.size() / kComparedPerStep);
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
      if (!has_escape(text)) return push_text(state, text);
      vm_.charge(state, text.size() / kUnescapedPerStep);
      return push_text(state, json::unescape(raw, scratch_));
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
  push_number(state, raw);
}

void Binding::push_number(lua_State* state, std::string_view raw) {
  const auto integer = json::to_int64(raw);
  if (integer && raw != "-0") return lua_pushinteger(state, *integer);
  if (const auto number = json::to_double(raw)) {
    numbers_.add(*number, raw);
    return lua_pushnumber(state, *number);
  }
  numbers_.add_text(raw);
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
      const auto number = integer && raw != "-0" ? std::nullopt : json::to_double(raw);
      const double assigned = lua_tonumber(state, index);
      // By their bits: 0.0 is not -0.0.
      return number && std::bit_cast<std::uint64_t>(*number) == std::bit_cast<std::uint64_t>(assigned);
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
  if (arena.used() + event_->document().shared() > kAssignedBytesMax)
    luaL_error(state, "more than 64 MiB were assigned to one event");
  switch (lua_type(state, index)) {
    case LUA_TBOOLEAN: return lua_toboolean(state, index) != 0 ? "true" : "false";
    case LUA_TSTRING: {
      const std::string_view text = text_at(state, index);
      if (text.size() > 4096 || !json::is_plain(text) || numbers_.is_text(text)) break;
      return quoted(text);
    }
    case LUA_TLIGHTUSERDATA: {
      void* part = lua_touserdata(state, index);
      if (part == nullptr) return "null";
      const std::string_view text = part_text(state, part);
      if (event_->document().depth(place.node) + depth_of(text) > kDepthMax)
        luaL_error(state, "%s: nested deeper than 128 levels", place.to_string().c_str());
      if (text.size() > kBodyBytesMax) luaL_error(state, "%s: larger than 1 MiB", place.to_string().c_str());
      event_->document().note_shared(text.size());
      return text;
    }
    default: break;
  }
  const std::string_view text = json_.write(state, index, event_->document().depth(place.node), place);
  return arena.copy(text);
}

// A text that needs no escapes, as JSON that lives as long as the event.
std::string_view Binding::quoted(std::string_view plain) {
  char* to = event_->arena().allocate(plain.size() + 2);
  *to = to[plain.size() + 1] = '"';
  std::memcpy(to + 1, plain.data(), plain.size());
  return {to, plain.size() + 2};
}

void Binding::assign_fact(lua_State* state, NodeId node, std::string_view key, std::string_view raw) {
  if (node != Document::kRoot || !event_->canonical() || !is_canonical_field(key)) return;
  if (const auto assigned = event_->assign_fact(key, raw); !assigned)
    luaL_error(state, "%s", assigned.error().message.c_str());
}

// The distinct id may be a fact by its place in `properties`.
void Binding::follow_id(NodeId node, std::string_view key) {
  const bool in_properties =
      node != Document::kRoot && key == "distinct_id" && event_->document().path(node) == "properties";
  const bool is_properties = node == Document::kRoot && key == "properties";
  const bool is_id = node == Document::kRoot && key == "distinct_id";
  if ((in_properties || is_properties || is_id) && event_->takes_id_from_properties()) event_->take_id_from_properties();
}

// A new member's key, as it will stay.
Binding::NewKey Binding::checked_key(lua_State* state, NodeId node, std::string_view key) {
  vm_.charge(state, std::min(key.size(), kKeyBytesMax));  // it is escaped each time the event is written
  if (key.size() > kKeyBytesMax)
    luaL_error(state, "%s: a key larger than 64 KiB", Place{&event_->document(), node, {}}.to_string().c_str());
  if (json::is_plain(key)) {
    const std::string_view raw = inside(quoted(key));
    return {raw, raw};
  }
  if (!json::is_utf8(key))
    luaL_error(state, "%s: a key that is not valid UTF-8", Place{&event_->document(), node, {}}.to_string().c_str());
  return {event_->arena().copy(key), {}};
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
    follow_id(node, key);
    return;
  }
  if (exists && same(state, 3, document.entries(node)[place])) return;
  const std::string_view raw = stored(state, 3, {&document, node, key});
  const NewKey added = place != Document::kNowhere ? NewKey{} : checked_key(state, node, key);
  event_->before_change();
  assign_fact(state, node, key, raw);
  if (place != Document::kNowhere) document.replace(node, place, raw);
  else document.append(node, added.key, raw, added.raw);
  follow_id(node, key);
}

void Binding::assign_element(lua_State* state, NodeId node, long long index) {
  Document& document = event_->document();
  const auto size = static_cast<long long>(document.entries(node).size());
  const Place where{&document, node, {}, index};
  if (lua_isnil(state, 3) && (index < 1 || index > size)) return;
  if (index < 1 || index > size + 1) {
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
  const std::string_view raw = stored(state, 3, where);
  event_->before_change();
  if (index <= size) document.replace(node, place, raw);
  else document.append(node, {}, raw);
}

// The value is at index 3 of the stack.
void Binding::insert_element(lua_State* state, NodeId node, long long index) {
  const std::string_view raw = stored(state, 3, {&event_->document(), node, {}, index});
  event_->before_change();
  event_->document().insert(node, static_cast<std::size_t>(index - 1), raw);
}

void Binding::remove_element(NodeId node, long long index) {
  event_->before_change();
  event_->document().erase(node, static_cast<std::size_t>(index - 1));
}

}  // namespace penstock::scripting
