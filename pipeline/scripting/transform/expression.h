#pragma once
// `when:` expressions, as apps and destinations have them.

#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

// Compiles a Lua expression over `event` and `facts` and pushes it as a function.
Result<void> push_expression(Vm& vm, std::string_view expression);

enum class Answer : std::uint8_t { no, yes, failed };

// Evaluates the function at stack `index` over the event, which it may read only. failed: the Vm says why.
Answer evaluate(Vm& vm, Binding& binding, int index, EventState& event);

}  // namespace penstock::scripting
