#pragma once
// Scripts that try to hold the processor or the memory by what the `app` table and the event offer: more of what
// pipeline/scripting/vm/attacks.h is about. They need both. Test support, no part of the program.

#include <vector>

#include "pipeline/scripting/vm/attacks.h"

namespace penstock::scripting {

std::vector<Attack> attacks_on_app();

}  // namespace penstock::scripting
