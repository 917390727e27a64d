#pragma once
// Commands that tell a running pipeline what to do: pause, resume, rate, dead replay, dead discard.

#include "pipeline/cli/command_line.h"
#include "pipeline/cli/commands.h"

namespace penstock::cli {

// `dead` is the command that has `list` and `show`. What the commands fill in lives as long as the process.
void add_steering(CLI::App& app, CLI::App& dead, Command& chosen);

// --file, --data, --url, --token: see Target.
void add_target(CLI::App& command, Target& target);

}  // namespace penstock::cli
