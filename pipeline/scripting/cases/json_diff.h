#pragma once
// How two JSON values differ, for people.

#include <string>
#include <string_view>
#include <vector>

namespace penstock::scripting {

// One line for each place where they differ: `properties.email: expected "a", got nothing`. The order of keys does not count,
// that of elements does; numbers are equal when they are written alike, strings when they mean the same text. Both valid.
std::vector<std::string> differences(std::string_view expected, std::string_view got);

}  // namespace penstock::scripting
