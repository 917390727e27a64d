#pragma once
// Events written in YAML, as JSON.

#include <string>

#include "pipeline/config/node.h"

namespace penstock::scripting {

// Appends the node as JSON. Not quoted: null, true, false and JSON's numbers, which keep every digit; anything else is a
// string.
void append_json(const config::Node& node, std::string& out);

}  // namespace penstock::scripting
