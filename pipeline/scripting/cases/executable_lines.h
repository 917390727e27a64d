#pragma once
// The lines of a Lua file on which something can run, exactly: from the line numbers of its compiled instructions, without
// those that no path reaches, such as the return that Lua adds after `return event`.
//
// Compiles in a Lua state of its own that has no library and never runs anything, dumps what came out and reads it. Scripts
// have no way to bytecode: nothing of this is in their state.

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

// Ascending. An error: the text does not compile, or the Lua library is not 5.4.
Result<std::vector<int>> executable_lines(std::string_view text, const std::string& chunk);

}  // namespace penstock::scripting
