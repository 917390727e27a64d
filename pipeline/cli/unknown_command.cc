#include "pipeline/cli/unknown_command.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "pipeline/config/struct_reader.h"

namespace penstock::cli {

std::string unknown_command(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* at = &app;
  std::string before;  // the commands that lead there: "app "
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) continue;
    const auto commands = at->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return {};  // what follows are arguments
    std::vector<std::string_view> names;
    const CLI::App* found = nullptr;
    for (const CLI::App* command : commands) {
      names.push_back(command->get_name());
      if (command->get_name() == word) found = command;
    }
    if (found == nullptr) {
      const std::string_view near = config::closest(word, names);
      return fmt::format("there is no command '{}{}'{}", before, word,
                         near.empty() ? fmt::format("; see `penstock {}--help`", before)
                                      : fmt::format(", did you mean '{}{}'?", before, near));
    }
    before += word + " ";
    at = found;
  }
  return {};
}

}  // namespace penstock::cli
