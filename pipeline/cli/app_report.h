#pragma once
// How the app commands show events and what became of them.

#include <string>
#include <vector>

#include "pipeline/cli/paint.h"
#include "pipeline/scripting/cases/case_run.h"
#include "pipeline/scripting/cases/json_diff.h"

namespace penstock::cli {

// Lines with - and +, each starting with `margin`: "- properties.plan: \"free\"".
std::string shown_differences(const std::vector<scripting::Difference>& fields, const std::string& margin,
                              const Paint& paint);

// Lines with `margin` before each.
std::string indented(std::string_view text, const std::string& margin);

// A case that failed: its place, name, and what differs.
std::string shown_outcome(const scripting::CaseOutcome& outcome, const Paint& paint);

}  // namespace penstock::cli
