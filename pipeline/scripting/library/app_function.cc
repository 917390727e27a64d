#include "pipeline/scripting/library/app_function.h"

#include <fmt/format.h>

#include <cctype>

#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

namespace {
constexpr std::size_t kBytesPerStep = 16;
}

std::string AppFunction::usage() const {
  const bool method = name.find(':') != std::string_view::npos;
  std::string shown = fmt::format("{}{}(", method ? "" : "app.", name);
  if (method) shown.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(shown.front())));
  bool first = true;
  for (const std::string_view part : declared_parts(parameters)) {
    std::string_view parameter = part.substr(0, part.find(':'));
    const bool optional = parameter.ends_with('?');
    if (optional) parameter.remove_suffix(1);
    fmt::format_to(std::back_inserter(shown), "{}{}{}{}", first ? "" : ", ", optional ? "[" : "", parameter,
                   optional ? "]" : "");
    first = false;
  }
  return shown + ")";
}

std::vector<std::string_view> declared_parts(std::string_view list) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t from = 0;
  for (std::size_t at = 0; at < list.size(); ++at) {
    if (std::string_view("(<{").contains(list[at])) ++depth;
    if (std::string_view(")>}").contains(list[at])) --depth;
    if (depth > 0 || list.substr(at, 2) != ", ") continue;
    parts.push_back(list.substr(from, at - from));
    from = at + 2;
  }
  if (from < list.size()) parts.push_back(list.substr(from));
  return parts;
}

AppTable& app_table(lua_State* state) { return *static_cast<AppTable*>(lua_touserdata(state, lua_upvalueindex(1))); }

std::string_view text_argument(lua_State* state, int index) {
  luaL_checktype(state, index, LUA_TSTRING);
  std::size_t size = 0;
  const char* text = lua_tolstring(state, index, &size);
  return {text, size};
}

std::optional<std::string_view> optional_text(lua_State* state, int index) {
  if (lua_isnoneornil(state, index)) return std::nullopt;
  return text_argument(state, index);
}

int no_result(lua_State* state, std::string_view message) {
  lua_pushnil(state);
  push_text(state, message);
  return 2;
}

void charge_for_bytes(lua_State* state, std::size_t bytes) { Vm::of(state).charge(state, bytes / kBytesPerStep); }

}  // namespace penstock::scripting
