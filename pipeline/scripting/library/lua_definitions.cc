#include "pipeline/scripting/library/lua_definitions.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

#include "pipeline/scripting/library/app_table.h"

namespace penstock::scripting {
namespace {

constexpr std::string_view kHead = R"(---@meta
-- What Penstock apps find: event, app, facts. For lua-language-server; it is never run.
-- Printed by `penstock app reference --lua`. How to point an editor at it is in docs/writing-apps.md.

---What is known of an event without reading its body; times in milliseconds since 1970.
---@class Facts
---@field uuid string
---@field project string
---@field event string
---@field distinct_id? string
---@field person_id? string
---@field timestamp integer
---@field received_at integer
---@field source string

---The body of an event, to be read and assigned like a table; what nobody assigns keeps its bytes. JSON null is app.null.
---@class Event
---@field event? string
---@field distinct_id? string
---@field timestamp? any
---@field uuid? string
---@field properties? table<string, any>
---@field [string] any
local Event = {}

---A table of the event's facts.
---@return Facts
function Event:facts() end

---What an app is given besides the event; read-only.
---@class App
---@field settings table<string, any> The app's settings, as app.yaml declares them and `with:` gives them.
---@field null lightuserdata JSON null; assigning nil deletes.
app = {}

---Runs a file of the app's own folder once and gives what it returns: require("kinds") is kinds.lua beside app.lua.
---@param name string
---@return any
function require(name) end
)";

void add_function(const AppFunction& function, std::string& out) {
  fmt::format_to(std::back_inserter(out), "\n---{}\n---```lua\n---{} --> {}\n---```\n", function.doc, function.example,
                 function.gives);
  std::string names;
  for (const std::string_view parameter : declared_parts(function.parameters)) {
    const auto colon = parameter.find(": ");
    const std::string_view name = parameter.substr(0, colon);
    const std::string_view type = colon == std::string_view::npos ? "any" : parameter.substr(colon + 2);
    fmt::format_to(std::back_inserter(out), "---@param {} {}\n", name, type);
    if (!names.empty()) names += ", ";
    names += name.ends_with('?') ? name.substr(0, name.size() - 1) : name;
  }
  for (const std::string_view type : declared_parts(function.returns))
    out += type == "..." ? "---@return any ...\n" : fmt::format("---@return {}\n", type);
  const bool method = function.name.contains(':');
  fmt::format_to(std::back_inserter(out), "function {}{}({}) end\n", method ? "" : "app.", function.name, names);
}

}  // namespace

std::string lua_definitions() {
  std::string out(kHead);
  std::set<std::string_view> tables;
  for (const AppFunction& function : app_functions()) {
    const std::string_view group = function.name.substr(0, function.name.find('.'));
    if (group != function.name && tables.insert(group).second)
      fmt::format_to(std::back_inserter(out), "\n---@class App.{0}\napp.{0} = {{}}\n", group);
    add_function(function, out);
  }
  for (const AppFunction& method : app_methods()) {
    const std::string_view type = method.name.substr(0, method.name.find(':'));
    if (tables.insert(type).second) fmt::format_to(std::back_inserter(out), "\n---@class {0}\nlocal {0} = {{}}\n", type);
    add_function(method, out);
  }
  return out;
}

}  // namespace penstock::scripting
