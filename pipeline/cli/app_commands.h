#pragma once
// `penstock app …`: one function a command, as in commands.h.

#include <string>
#include <vector>

#include "pipeline/topology/plan.h"

namespace penstock::cli {

// The cases of the named apps (names or folders), or of all that can be found.
int test_apps(const std::vector<std::string>& names, const topology::PlanContext& context);

// What an app finds in its `app` table, as Markdown; the text of docs/reference/app_table.md.
int print_app_reference();

}  // namespace penstock::cli
