#pragma once
// A word on the command line that is no command.

#include <CLI/CLI.hpp>
#include <string>

namespace penstock::cli {

// "there is no command 'app tset', did you mean 'app test'?", or nothing when every word where a command has to stand is one.
std::string unknown_command(const CLI::App& app, int argc, const char* const* argv);

}  // namespace penstock::cli
