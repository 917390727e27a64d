#include "pipeline/scripting/view/lua_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <lua.hpp>

#include "pipeline/event/json.h"
#include "pipeline/scripting/view/document.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

namespace {

constexpr char kMark = 0;  // its address is the registry key of the metatable that marks arrays

constexpr std::uint64_t kStepsPerValue = 2;
constexpr std::uint64_t kStepsPerNumber = 10;
constexpr std::uint64_t kStepsPerTable = 20;
constexpr std::uint64_t kStepsPerMember = 20;  // with its share of sorting
constexpr std::size_t kSortedPerStep = 4;       // bytes of keys
constexpr std::size_t kCopiedPerStep = 16;
constexpr std::size_t kEscapedPerStep = 4;

}  // namespace

void LuaJson::install(lua_State* state) {
  lua_newtable(state);
  lua_pushliteral(state, "array");
  lua_setfield(state, -2, "__metatable");
  mark_ = lua_topointer(state, -1);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kMark);
}

void LuaJson::mark_array(lua_State* state) {
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kMark);
  lua_setmetatable(state, -2);
}

bool LuaJson::is_array(lua_State* state, int index) {
  if (lua_getmetatable(state, index) == 0) return false;
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kMark);
  const bool marked = lua_rawequal(state, -1, -2) != 0;
  lua_pop(state, 2);
  return marked;
}

std::string Place::to_string() const {
  if (document == nullptr) return std::string(key);
  const std::string path = document->path(node, shortened(key));
  if (index == 0) return path.empty() ? "the event" : fmt::format("field '{}'", path);
  return fmt::format("field '{}[{}]'", document->path(node), index);
}

std::string_view LuaJson::write(lua_State* state, int index, int depth, const Place& place) {
  place_ = &place;
  out_.clear();
  open_tables_.clear();
  keys_.clear();
  path_.clear();
  value(state, lua_absindex(state, index), depth);
  return out_;
}

// For what was appended since `before`.
void LuaJson::pay(lua_State* state, std::size_t before, std::size_t bytes_per_step) const {
  Vm::of(state).charge(state, (out_.size() - before) / bytes_per_step);
}

// Ends at the limit, so that no text of many megabytes is escaped to be refused.
void LuaJson::text(lua_State* state, std::string_view text) {
  const std::size_t before = out_.size();
  const bool fits = json::append_string(out_, text, kBodyBytesMax);
  pay(state, before, out_.size() - before == text.size() + 2 && json::is_plain(text) ? kCopiedPerStep : kEscapedPerStep);
  if (!fits) refuse(state, "larger than 1 MiB");
}

void LuaJson::refuse(lua_State* state, std::string_view reason) const {
  std::string text = place_->to_string();
  const bool quoted = text.ends_with('\'');
  if (quoted) text.pop_back();
  for (const Step& step : path_) {
    if (step.index != 0) fmt::format_to(std::back_inserter(text), "[{}]", step.index);
    else fmt::format_to(std::back_inserter(text), ".{}", shortened(step.key));
  }
  luaL_error(state, "%s%s: %s", text.c_str(), quoted ? "'" : "", std::string(reason).c_str());
}

void LuaJson::value(lua_State* state, int index, int depth) {
  Vm::of(state).charge(state, kStepsPerValue);
  switch (lua_type(state, index)) {
    case LUA_TBOOLEAN: out_ += lua_toboolean(state, index) != 0 ? "true" : "false"; break;
    case LUA_TNUMBER: number(state, index); break;
    case LUA_TSTRING: {
      const std::string_view string = text_at(state, index);
      // A number that only a text could show.
      if (read_.is_text(string)) out_ += string;
      else text(state, string);
      break;
    }
    case LUA_TTABLE: table(state, index, depth); break;
    case LUA_TLIGHTUSERDATA: {
      void* part = lua_touserdata(state, index);
      const std::string_view raw = part == nullptr ? "null" : part_text_(state, part);
      if (depth > 0) Vm::of(state).charge(state, raw.size() / kEscapedPerStep);
      // By itself a part is never too deep.
      if (depth > 0 && depth + depth_of(raw) > kDepthMax) refuse(state, "nested deeper than 128 levels");
      out_ += raw;
      break;
    }
    default: refuse(state, fmt::format("a {} cannot be stored in an event", luaL_typename(state, index)));
  }
  if (out_.size() > kBodyBytesMax) refuse(state, "larger than 1 MiB");
}

void LuaJson::number(lua_State* state, int index) {
  Vm::of(state).charge(state, kStepsPerNumber);
  char digits[40];
  if (lua_isinteger(state, index) != 0) {
    const auto end = std::to_chars(digits, digits + sizeof digits, lua_tointeger(state, index));
    out_.append(digits, end.ptr);
    return;
  }
  const double number = lua_tonumber(state, index);
  if (const std::string_view read = read_.find(number); !read.empty()) {
    out_ += read;
    return;
  }
  if (!std::isfinite(number)) refuse(state, std::isnan(number) ? "not a number (NaN) has no JSON" : "infinity has no JSON");
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out_.append(digits, end.ptr);
  const std::string_view written(digits, static_cast<std::size_t>(end.ptr - digits));
  if (written.find_first_of(".e") == std::string_view::npos) out_ += ".0";
}

bool LuaJson::is_marked(lua_State* state, int index) const {
  if (lua_getmetatable(state, index) == 0) return false;
  const bool marked = lua_topointer(state, -1) == mark_;
  lua_pop(state, 1);
  return marked;
}

void LuaJson::table(lua_State* state, int index, int depth) {
  Vm::of(state).charge(state, kStepsPerTable);
  if (depth >= kDepthMax) refuse(state, "nested deeper than 128 levels");
  luaL_checkstack(state, 8, "a table nested too deep");
  const void* identity = lua_topointer(state, index);
  if (std::ranges::find(open_tables_, identity) != open_tables_.end()) refuse(state, "a table that contains itself");
  open_tables_.push_back(identity);
  const int top = lua_gettop(state);
  if (push_frozen_content(state, index)) index = lua_gettop(state);
  const auto size = static_cast<long long>(lua_rawlen(state, index));
  const std::size_t first_key = keys_.size();
  if (is_list(state, index, size, first_key)) {
    array(state, index, size, depth);
  } else {
    std::sort(keys_.begin() + static_cast<std::ptrdiff_t>(first_key), keys_.end());
    object(state, index, first_key, depth);
  }
  keys_.resize(first_key);
  lua_settop(state, top);
  open_tables_.pop_back();
}

// Collects the string keys of what is no list.
bool LuaJson::is_list(lua_State* state, int index, long long size, std::size_t first_key) {
  long long numbers = 0;
  lua_pushnil(state);
  while (lua_next(state, index) != 0) {
    lua_pop(state, 1);
    if (lua_type(state, -1) == LUA_TSTRING) {
      keys_.push_back(text_at(state, -1));
      Vm::of(state).charge(state, kStepsPerMember + keys_.back().size() / kSortedPerStep);
      continue;
    }
    Vm::of(state).charge(state, 1);
    const lua_Integer at = lua_isinteger(state, -1) != 0 ? lua_tointeger(state, -1) : 0;
    if (at < 1 || at > size) refuse(state, "a table whose keys are neither strings nor 1 to n without holes");
    ++numbers;
  }
  const bool strings = keys_.size() > first_key;
  if (strings && (numbers > 0 || is_marked(state, index))) refuse(state, "a table with both string keys and array elements");
  if (numbers != size) refuse(state, "a table whose keys are not 1 to n: use app.null for empty places");
  return !strings && (numbers > 0 || is_marked(state, index));
}

void LuaJson::array(lua_State* state, int index, long long size, int depth) {
  out_.push_back('[');
  for (long long i = 1; i <= size; ++i) {
    if (i > 1) out_.push_back(',');
    path_.push_back({{}, i});
    lua_rawgeti(state, index, i);
    value(state, lua_gettop(state), depth + 1);
    lua_pop(state, 1);
    path_.pop_back();
  }
  out_.push_back(']');
}

void LuaJson::object(lua_State* state, int index, std::size_t first_key, int depth) {
  out_.push_back('{');
  const std::size_t end = keys_.size();
  for (std::size_t i = first_key; i < end; ++i) {
    if (i > first_key) out_.push_back(',');
    const std::string_view key = keys_[i];
    if (!json::is_plain(key) && !json::is_utf8(key)) refuse(state, "a key that is not valid UTF-8");
    text(state, key);
    out_.push_back(':');
    path_.push_back({key, 0});
    lua_pushlstring(state, key.data(), key.size());
    lua_rawget(state, index);
    value(state, lua_gettop(state), depth + 1);
    lua_pop(state, 1);
    path_.pop_back();
  }
  out_.push_back('}');
}

}  // namespace penstock::scripting
