#include "pipeline/cli/app_commands.h"

#include <memory>

#include "pipeline/cli/command_line.h"

namespace penstock::cli {
namespace {

struct Arguments {
  std::string name;
  std::vector<std::string> names;
  std::string folder = "apps";
  bool json = false;
  AppTestOptions test;
  AppRunOptions run;
  AppBenchOptions bench;
  bool lua = false;
};
using Shared = std::shared_ptr<Arguments>;

constexpr std::int64_t kLimitMax = 1'000'000'000'000;
constexpr const char* kName = "A name, or a folder such as ./apps/mine";
constexpr const char* kNames = "Names or folders; none: every app in ./apps and ./plugins, or those that come with penstock";

void add_test(CLI::App& apps, const Shared& a, Command& chosen) {
  auto* test = add(apps, "test", "Run the cases of apps", "penstock app test hash_fields ./apps/mine --coverage", chosen,
                   [a](const auto& context) { return test_apps(a->test, context); });
  test->add_option("names", a->test.names, kNames);
  auto* watch = test->add_flag("--watch,-w", a->test.watch, "Again whenever a file of the apps changes, until Ctrl-C");
  test->add_flag("--coverage,-c", a->test.coverage, "Which lines of Lua no case ran");
  test->add_flag("--update,-u", a->test.update, "Write what came out into `out:` of the cases that fail; so does UPDATE=1");
  test->add_flag("--json", a->test.json, "As JSON")->excludes(watch);
}

void add_run(CLI::App& apps, const Shared& a, Command& chosen) {
  auto* run = add(apps, "run", "Show what an app does to events", "penstock app run ./apps/mine --in events.ndjson", chosen,
                  [a](const auto& context) { return run_app(a->run, context); });
  run->add_option("name", a->run.name, kName)->required();
  run->add_option("--in,-i", a->run.in, "A file with one event a line; - is standard input")->required();
  run->add_option("--settings,-s", a->run.settings, "key=value, the value as in YAML; may be given again");
  run->add_option("--map,-m", a->run.map, "fact=path, as in a source's `map:`: event=type; may be given again");
  run->add_option("--limit", a->run.limit, "Stop after so many events; 0: never")
      ->check(CLI::Range(std::int64_t{0}, kLimitMax));
  run->add_flag("--json", a->run.json, "One JSON object a line of input");
}

void add_bench(CLI::App& apps, const Shared& a, Command& chosen) {
  auto* bench = add(apps, "bench", "Measure what an app costs for each event", "penstock app bench hash_fields", chosen,
                    [a](const auto& context) { return bench_app(a->bench, context); });
  bench->add_option("name", a->bench.name, kName)->required();
  bench->add_option("--in,-i", a->bench.in,
                    "A file with one event a line; without it those of its cases and a built-in one");
  bench->add_option("--settings,-s", a->bench.settings,
                    "key=value, the value as in YAML; an app that needs some takes those of its first case");
  bench->add_option("--events,-n", a->bench.events, "How many in each of seven runs")
      ->check(CLI::Range(100, 100'000'000))
      ->capture_default_str();
  bench->add_flag("--json", a->bench.json, "As JSON");
}

}  // namespace

void add_app_commands(CLI::App& app, Command& chosen) {
  const auto a = std::make_shared<Arguments>();
  auto* apps = app.add_subcommand("app", "Lua apps");
  apps->require_subcommand(1);
  auto* made = add(*apps, "new", "Write a small app that works: app.lua, app.yaml, cases.yaml",
                   "penstock app new mask_email", chosen, [a](const auto&) { return new_app(a->name, a->folder); });
  made->add_option("name", a->name, "Its name, and that of its folder")->required();
  made->add_option("--dir", a->folder, "Where")->capture_default_str();
  add_test(*apps, a, chosen);
  add_run(*apps, a, chosen);
  add_bench(*apps, a, chosen);
  auto* check = add(*apps, "check", "Find mistakes in apps without running them: names, settings, cases",
                    "penstock app check ./apps/mine", chosen,
                    [a](const auto& context) { return check_apps(a->names, a->json, context); });
  check->add_option("names", a->names, kNames);
  check->add_flag("--json", a->json, "As JSON");
  add(*apps, "list", "The apps there are: in ./apps, in ./plugins, and those that come with penstock", "penstock app list",
      chosen, [a](const auto& context) { return list_apps(a->json, context); })
      ->add_flag("--json", a->json, "As JSON");
  auto* show = add(*apps, "show", "Settings, limits and cases of one, with an example", "penstock app show hash_fields",
                   chosen, [a](const auto& context) { return show_app(a->name, a->json, context); });
  show->add_option("name", a->name, kName)->required();
  show->add_flag("--json", a->json, "As JSON");
  add(*apps, "reference", "What an app finds in its `app` table", "penstock app reference --lua > penstock.lua", chosen,
      [a](const auto&) { return print_app_reference(a->lua); })
      ->add_flag("--lua", a->lua, "As definitions for lua-language-server, for completion in editors");
}

}  // namespace penstock::cli
