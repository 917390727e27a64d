#pragma once
// The names a script finds: asked of the sandbox itself and of the declarations of `app`, so that they cannot be stale.

#include <map>
#include <set>
#include <string>

#include "pipeline/base/result.h"

namespace penstock::scripting {

struct KnownNames {
  std::map<std::string, std::set<std::string>> globals;  // with the members of those that are libraries
  std::set<std::string> app;                             // "sha256", "time.parse", "settings", "null"

  bool app_has_group(const std::string& name) const;  // "time"
};

Result<KnownNames> known_names();

}  // namespace penstock::scripting
