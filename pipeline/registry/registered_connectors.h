#pragma once
// Defined in a file that CMake generates from the folders under connectors/: one ordinary call each.

#include "pipeline/registry/registry.h"

namespace penstock {
void register_connectors(Registry& registry);
}
