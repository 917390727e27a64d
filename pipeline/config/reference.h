#pragma once
// The reference of a component's settings, from the same tables as its parser: for `penstock connectors show NAME` and for
// the documentation. Settings of nested structs are listed as `batch.events`, those of lists of structs as `rules[].field`.

#include <string>

#include "pipeline/config/struct_info.h"

namespace penstock::config {

// For a terminal: name, type and default on one line, what it means on the next.
std::string reference_text(const StructInfo& info);

// A Markdown table with the columns Setting, Type, Default, Meaning; settings that are required say so under Default.
std::string reference_markdown(const StructInfo& info);

}  // namespace penstock::config
