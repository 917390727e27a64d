// penstock app new: a small app that works, with comments that teach.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "pipeline/cli/app_commands.h"
#include "pipeline/cli/exit_code.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLua = R"lua(local M = {}

-- Called once for each event. Its fields are read and assigned like those of a table; what nobody assigns keeps its bytes.
-- `app` holds settings and functions: `penstock app reference` lists them.
---@param event Event
---@param app App
function M.transform(event, app)
  -- A field that is missing is nil, and a sender may have put anything else there. Asking nil or a number for a field is
  -- an error, which sends the event to the dead letters: look before going deeper.
  local properties = event.properties
  if type(properties) ~= "table" then return event end

  -- JSON null is app.null, not nil: its type is not "string" either.
  local plan = properties.plan
  if type(plan) == "string" then
    properties.plan = plan:lower()
  end

  -- A setting: declared in app.yaml, given by `with:` in the pipeline.
  if app.settings.drop_internal and properties.internal == true then
    return nil -- drops the event
  end

  return event -- or a new table, or a list of events, which replaces this one
end

return M
)lua";

constexpr std::string_view kYaml =
    R"yaml(# What the app is, and the settings it takes. `penstock app show {0}` prints it for its users.
name: {0}
version: 0.1.0
summary: Writes the plan in lower case, and drops internal events when asked to.
settings:
  drop_internal:                # app.settings.drop_internal
    type: boolean               # string, integer, number, boolean, list, map or any
    default: false              # or `required: true`
    doc: Whether events whose properties.internal is true are dropped.
)yaml";

constexpr std::string_view kCases =
    R"yaml(# Events in, and what must come out. Run them with `penstock app test {0}`; with --update the `out:` of those that fail
# becomes what came out. Each case begins with a fresh app.

- name: the plan is written in lower case
  in:  {{ event: signup, properties: {{ plan: PRO }} }}
  out: {{ event: signup, properties: {{ plan: pro }} }}

- name: an event without properties passes as it is
  in:  {{ event: signup }}
  out: {{ event: signup }}

- name: and so does one whose properties are no object
  in:  {{ event: signup, properties: 5 }}
  out: {{ event: signup, properties: 5 }}

- name: a plan that is no text is left alone
  in: |                         # JSON text keeps every digit and escape as it is
    {{"event":"signup","properties":{{"plan":null,"price":9.90}}}}
  out: |
    {{"event":"signup","properties":{{"plan":null,"price":9.90}}}}

- name: an internal event is dropped when asked to
  with: {{ drop_internal: true }}
  in:  {{ event: signup, properties: {{ internal: true }} }}
  out: drop                     # or a list of events, or `error: part of the message`

- name: and stays otherwise
  in:  {{ event: signup, properties: {{ internal: true }} }}
  out: {{ event: signup, properties: {{ internal: true }} }}
)yaml";

bool is_good_name(std::string_view name) {
  constexpr std::size_t kLengthMax = 64;
  if (name.empty() || name.size() > kLengthMax || name.front() < 'a' || name.front() > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

bool write(const fs::path& path, std::string_view text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (out) return true;
  fmt::print(stderr, "penstock: write {}: the system refuses; is there space, and permission?\n", path.string());
  return false;
}

}  // namespace

int new_app(const std::string& name, const std::string& parent) {
  if (!is_good_name(name)) {
    fmt::print(
        stderr,
        "penstock: '{}' cannot name an app: lower-case letters, digits and _, beginning with a letter, at most 64, as "
        "in mask_email\n",
        name);
    return kUsage;
  }
  const fs::path folder = (fs::path(parent) / name).lexically_normal();
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder, error))) {
    fmt::print(stderr, "penstock: {} exists and is left as it is\n", folder.string());
    return kNotWell;
  }
  fs::create_directories(folder, error);
  if (error) {
    fmt::print(stderr, "penstock: create {}: {}\n", folder.string(), error.message());
    return kCannot;
  }
  const bool written = write(folder / "app.lua", kLua) && write(folder / "app.yaml", fmt::format(kYaml, name)) &&
                       write(folder / "cases.yaml", fmt::format(kCases, name));
  if (!written) return kCannot;
  const bool is_name = parent == "apps" || parent == "./apps";
  const std::string use = is_name ? name : folder.is_absolute() ? folder.string() : "./" + folder.string();
  fmt::print("wrote {0}/app.lua, {0}/app.yaml and {0}/cases.yaml\nnext:\n", folder.string());
  fmt::print("  penstock app test {} --watch            # runs the cases again at every change\n", use);
  fmt::print("  penstock app run {} --in events.ndjson  # shows what it does to events of yours\n", use);
  fmt::print("  and in penstock.yaml:\n    apps:\n      - use: {}\n", use);
  return kOk;
}

}  // namespace penstock::cli
