#pragma once
// Which apps a command is about: names are looked for in ./apps and among the plugins; a name with a '/' is a folder.

#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/topology/plan.h"

namespace penstock::cli {

// The folder of one app.
Result<std::string> app_folder(const std::string& name, const topology::PlanContext& context);

// Those of the apps named, or of all that there are; sorted by name, and of two with the same name the one that a pipeline
// here would use. An error: a name is unknown, or there is no app at all.
Result<std::vector<std::string>> app_folders(const std::vector<std::string>& names, const topology::PlanContext& context);

// "hash_fields" of "plugins/hash_fields".
std::string app_name(const std::string& folder);

}  // namespace penstock::cli
