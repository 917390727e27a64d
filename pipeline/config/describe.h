#pragma once
// How messages speak of what the user wrote: bounded in length, without control characters, and never a secret.

#include <string>
#include <string_view>

#include "pipeline/config/struct_info.h"

namespace penstock::config {

// At most 60 bytes of it, cut between characters; control characters are escaped as \x1b.
std::string printable(std::string_view text);

// `"many"`, `***` for a secret, "nothing", "a list", "a map".
std::string describe(const Node& node);

// "an integer from 1 to 1000", "a size such as 64MiB".
std::string describe(TypeKind kind, const std::optional<Range>& range);

// One end of a range as YAML would write it: "1000", "64MiB", "5s", "100/s".
std::string range_text(double value, TypeKind kind);

}  // namespace penstock::config
