#pragma once
// Events written in YAML, as JSON, and JSON as YAML that people like to read.

#include <cstddef>
#include <string>
#include <string_view>

#include "pipeline/config/node.h"

namespace penstock::scripting {

// Appends the node as JSON. Not quoted: null, true, false and JSON's numbers, which keep every digit; anything else is a
// string.
void append_json(const config::Node& node, std::string& out);

// Appends valid JSON as YAML in one line: { event: signup, n: 1.0 }. Texts that could be taken for something else are
// quoted; numbers keep every digit.
void append_yaml(std::string_view raw, std::string& out);

// The same with each member of an object and each element of an array on a line of its own, indented by `indent`; the first
// line is not. What is inside those stands in one line.
void append_yaml_lines(std::string_view raw, std::size_t indent, std::string& out);

// Appends a text as a YAML scalar: plain, or in double quotes.
void append_yaml_text(std::string_view text, std::string& out);

}  // namespace penstock::scripting
