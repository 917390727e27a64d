#pragma once
// The command line: `penstock --help`.

#include "pipeline/registry/registry.h"

namespace penstock::cli {

// Parses, runs one command, returns its exit code (exit_code.h).
int main(int argc, char** argv, const Registry& registry);

}  // namespace penstock::cli
