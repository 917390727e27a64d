#pragma once
// The names in a `when:` against what there is, so that `evnt.properties.plan` is told by `penstock validate` and not by the
// first event.

#include <cstdint>
#include <optional>
#include <string>

namespace penstock::scripting {

enum class ConditionOf : std::uint8_t {
  app,  // sees `app` too
  destination,
};

// What is wrong with a condition that compiles: "there is no 'evnt', did you mean 'event'?". Nothing when every name is
// known.
std::optional<std::string> unknown_name_in(const std::string& expression, ConditionOf whose);

}  // namespace penstock::scripting
