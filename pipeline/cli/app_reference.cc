// penstock app reference: the `app` table, from where its functions are declared.
#include <fmt/format.h>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/library/lua_definitions.h"

namespace penstock::cli {
namespace {

constexpr const char* kIntroduction = R"(# The `app` table

`transform(event, app)` gets it as its second argument; it is a global too, so that the top of app.lua can use what needs no
event. Everything in it is deterministic: the same event through the same apps gives the same result.

Types are written as the Lua language server does: `?` may be nil. Each example was run, over the event
`{"event":"signup","distinct_id":"ann","properties":{"plan":"pro","email":"ann@example.com"}}` at 2026-01-01T00:00:00Z;
after the arrow is its value as JSON. The same for editors is [penstock.lua](penstock.lua).

### `app.settings`

The app's settings, as app.yaml declares them and `with:` gives them; read-only.

### `app.null`

JSON null; assigning nil deletes.
)";

void print_function(const scripting::AppFunction& function) {
  fmt::print("\n### `{}`\n\n{}\n\n", function.usage(), function.doc);
  if (!function.parameters.empty()) fmt::print("- takes `{}`\n", function.parameters);
  if (!function.returns.empty()) fmt::print("- gives `{}`\n", function.returns);
  fmt::print("\n```lua\n{}\n--> {}\n```\n", function.example, function.gives);
}

}  // namespace

int print_app_reference(bool lua) {
  if (lua) {
    fmt::print("{}", scripting::lua_definitions());
    return kOk;
  }
  fmt::print("{}", kIntroduction);
  for (const auto& function : scripting::app_functions()) print_function(function);
  fmt::print("\n## Regular expressions\n\nWhat `app.regex` gives has these methods.\n");
  for (const auto& method : scripting::app_methods()) print_function(method);
  return kOk;
}

}  // namespace penstock::cli
