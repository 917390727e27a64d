#pragma once
// What kind of machine a user agent is, which the rules do not say.

#include <string_view>

#include "pipeline/scripting/library/user_agent.h"

namespace penstock::scripting {

// Best effort, from what the rules found and a few words of the text; empty when nothing tells. A constant.
std::string_view device_type(const UserAgent& agent, std::string_view text);

}  // namespace penstock::scripting
