#pragma once
// The rules by which user agents are read, as YAML: uap-core 0.16.0 of August 2022 (Apache-2.0), a part of this program.

#include <string_view>

namespace penstock::scripting {

std::string_view user_agent_rules();

}  // namespace penstock::scripting
