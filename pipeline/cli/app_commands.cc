#include "pipeline/cli/app_commands.h"

#include <memory>

#include "pipeline/cli/command_line.h"

namespace penstock::cli {
namespace {

struct Arguments {
  std::vector<std::string> names;
};

}  // namespace

void add_app_commands(CLI::App& app, Command& chosen) {
  const auto a = std::make_shared<Arguments>();
  auto* apps = app.add_subcommand("app", "Lua apps");
  apps->require_subcommand(1);
  add(*apps, "test", "Run the cases of apps", "penstock app test hash_fields ./apps/mine", chosen, [a](const auto& context) {
    return test_apps(a->names, context);
  })->add_option("names", a->names, "Names or folders; none: every app in plugins/ and ./apps/");
  add(*apps, "reference", "What an app finds in its `app` table", "penstock app reference", chosen,
      [](const auto&) { return print_app_reference(); });
}

}  // namespace penstock::cli
