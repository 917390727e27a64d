#pragma once
// How a subcommand is added to the command line: by cli.cc, and by app_commands.cc for `penstock app`.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "pipeline/topology/plan.h"

namespace penstock::cli {

// The command that was given; set by the parser, run after it.
using Command = std::function<int(const topology::PlanContext&)>;

// A subcommand with its help and an example. `chosen` must outlive the parser, and so must what `command` refers to.
CLI::App* add(CLI::App& parent, const std::string& name, const std::string& text, const std::string& example,
              Command& chosen, Command command);

// `penstock app …`. The arguments live as long as `chosen` does.
void add_app_commands(CLI::App& app, Command& chosen);

}  // namespace penstock::cli
