#pragma once
// The names in one Lua file of an app against what there is: globals, libraries, `app`, settings.

#include <set>
#include <string>
#include <vector>

#include "pipeline/scripting/check/app_check.h"
#include "pipeline/scripting/check/known_names.h"
#include "pipeline/scripting/check/lua_names.h"

namespace penstock::scripting {

struct LuaFileCheck {
  std::vector<Finding> findings;
  std::set<std::string> settings_read;  // by name
  std::vector<config::Location> state_used;  // where app.state is
  bool settings_elsewhere = false;      // the table of settings goes where this check does not follow
};

// Globals that a file defines while it is loaded.
std::set<std::string> globals_defined(const LuaNames& names);

// `path` is for messages; `main` says that it is app.lua; `settings` are those declared, null when that is not known;
// `own_globals` are those that some file of the app defines.
LuaFileCheck check_lua_file(const LuaNames& names, const std::string& path, bool main,
                            const std::vector<std::string>* settings, const std::set<std::string>& own_globals,
                            const KnownNames& known);

}  // namespace penstock::scripting
