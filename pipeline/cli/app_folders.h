#pragma once
// Which apps a command is about: names are looked for where a pipeline in this folder would; a name with a '/' is a folder.

#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/topology/plan.h"

namespace penstock::cli {

// The folder of one app.
Result<std::string> app_folder(const std::string& name, const topology::PlanContext& context);

// Those of the apps named. Without names those on disk, or when there is none those that come with the program; sorted by
// name, and of two with the same name the one that a pipeline here would use. An error: a name is unknown.
Result<std::vector<std::string>> app_folders(const std::vector<std::string>& names, const topology::PlanContext& context);

// Every app that a pipeline here may use by its name, sorted in the same way.
std::vector<std::string> all_app_folders(const topology::PlanContext& context);

// Where it is, for people: the folder, or that it comes with the program.
std::string shown_folder(const std::string& folder);

// "hash_fields" of "plugins/hash_fields".
std::string app_name(const std::string& folder);

}  // namespace penstock::cli
