#pragma once
// Settings as a script sees them: `app.settings`, read-only, typed as declared, maps in the order of the file.

#include "pipeline/config/node.h"
#include "pipeline/scripting/package/manifest.h"

struct lua_State;

namespace penstock::scripting {

// Pushes the frozen table of all settings: those given by `with` (checked before), and defaults. Raises.
void push_settings(lua_State* state, const Manifest& manifest, const config::Node& with);

}  // namespace penstock::scripting
