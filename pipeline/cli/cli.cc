#include "pipeline/cli/cli.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "pipeline/cli/command_line.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/cli/steer.h"
#include "pipeline/cli/unknown_command.h"
#include "pipeline/config/lookup.h"

namespace penstock::cli {
namespace {

// More apps than those that come along: the folder that PENSTOCK_PLUGINS names.
Result<std::vector<std::string>> plugin_folders() {
  const char* set = std::getenv("PENSTOCK_PLUGINS");
  if (set == nullptr || *set == '\0') return std::vector<std::string>{};
  std::error_code error;
  if (std::filesystem::is_directory(set, error)) return std::vector<std::string>{set};
  return fail(ErrorKind::not_found, fmt::format("PENSTOCK_PLUGINS names {}, where there is no folder", set));
}

struct Arguments {
  RunOptions run;
  std::vector<std::string> files{"penstock.yaml"};
  std::string name;
  std::string folder = ".";
  std::string data;
  std::string repair;
  bool from_start = false;
  std::string log = "events";
  Target target;
  DeadListOptions dead;
  bool json = false;
};

// An option that takes one of a few words; --help lists them.
template <class T>
void add_choice(CLI::App& command, const std::string& name, T& out, const std::string& text,
                const std::map<std::string, T>& choices) {
  std::vector<std::string> words;
  for (const auto& [word, value] : choices) words.push_back(word);
  command.add_option_function<std::string>(
             name, [&out, choices](const std::string& word) { out = choices.at(word); }, text)
      ->check(CLI::IsMember(words));
}

void add_run(CLI::App& app, Arguments& a, Command& chosen) {
  auto* run_command = add(app, "run", "Run a pipeline until it is stopped or its sources are over",
                          "penstock run penstock.yaml", chosen, [&](const auto& context) { return run(a.run, context); });
  run_command->add_option("file", a.run.file, "The configuration")->capture_default_str();
  run_command->add_flag("--keep-running", a.run.keep_running, "Do not end when all sources are over");
  add_choice(
      *run_command, "--log-level", a.run.log_level, "Least important messages to show",
      {{"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warning", LogLevel::warning}, {"error", LogLevel::error}});
  add_choice(*run_command, "--log-format", a.run.log_format, "auto: text on a terminal, else json",
             {{"auto", LogFormat::automatic}, {"text", LogFormat::text}, {"json", LogFormat::json}});
}

void add_checks(CLI::App& app, Arguments& a, Command& chosen, const Registry& registry) {
  add(app, "validate", "Check configurations and start nothing", "penstock validate penstock.yaml other.yaml", chosen,
      [&](const auto& context) { return validate(a.files, context); })
      ->add_option("files", a.files, "Each is one pipeline")
      ->capture_default_str();
  add(app, "schema", "Print the JSON Schema of penstock.yaml", "penstock schema > pipeline.schema.json", chosen,
      [&](const auto&) { return print_schema(registry); });
  auto* connectors = app.add_subcommand("connectors", "The sources and destinations there are");
  connectors->require_subcommand(1);
  add(*connectors, "list", "Their names", "penstock connectors list", chosen,
      [&](const auto&) { return list_connectors(registry); });
  add(*connectors, "show", "Settings of one, with an example", "penstock connectors show webhook", chosen,
      [&](const auto&) { return show_connector(a.name, registry); })
      ->add_option("name", a.name, "Its type")
      ->required();
  add(app, "init", "Write a commented penstock.yaml that runs", "penstock init my_pipeline", chosen,
      [&](const auto& context) { return init(a.folder, context); })
      ->add_option("folder", a.folder, "Where")
      ->capture_default_str();
}

void add_questions(CLI::App& app, Arguments& a, Command& chosen) {
  auto* status_command = add(app, "status", "How a running pipeline is doing", "penstock status --data ./data", chosen,
                             [&](const auto& context) { return status(a.target, a.json, context); });
  add_target(*status_command, a.target);
  status_command->add_flag("--json", a.json, "As JSON");
  auto* reload_command = add(app, "reload", "Apply a changed configuration to the running pipeline", "penstock reload",
                             chosen, [&](const auto& context) { return reload(a.target, context); });
  add_target(*reload_command, a.target);

  auto* dead = app.add_subcommand("dead", "Events that could not go on");
  dead->require_subcommand(1);
  auto* list = add(*dead, "list", "Which, where and why; newest first", "penstock dead list --stage crm", chosen,
                   [&](const auto& context) { return list_dead(a.target, a.dead, context); });
  add_target(*list, a.target);
  list->add_option("--stage", a.dead.stage, "ingest, or a destination's name");
  list->add_option("--code", a.dead.code, "Only with this code, e.g. http_400");
  list->add_option("--limit", a.dead.limit, "How many")->check(CLI::Range(1, 1000))->capture_default_str();
  list->add_option("--after", a.dead.after, "Continue after this id");
  list->add_flag("--json", a.dead.json, "As JSON");
  auto* show = add(*dead, "show", "One, with its original bytes", "penstock dead show 1760000000000-…", chosen,
                   [&](const auto& context) { return show_dead(a.target, a.name, a.json, context); });
  add_target(*show, a.target);
  show->add_option("id", a.name, "As `dead list` prints it")->required();
  show->add_flag("--json", a.json, "As JSON");
  add_steering(app, *dead, chosen);

  auto* doctor = add(app, "doctor", "Whether a stopped pipeline's data folder is whole; and what to do when it is not",
                     "penstock doctor --verify ./data", chosen,
                     [&](const auto&) { return a.repair.empty() ? verify_data(a.data) : repair_logs(a.repair); });
  auto* what = doctor->add_option_group("what")->require_option(1);
  what->add_option("--verify", a.data, "Read everything in this data folder");
  what->add_option("--repair", a.repair, "Go on without what is damaged of its log `captured`, and say what is lost");

  auto* backup = add(app, "backup", "Copy a data folder, of a running or a stopped pipeline, to where it can go on from",
                     "penstock backup /backups/monday", chosen,
                     [&](const auto& context) { return back_up(a.target, a.folder, context); });
  backup->add_option("folder", a.folder, "Where to: empty or absent; on the machine of the process")->required();
  add_target(*backup, a.target);

  auto* rebuild =
      add(app, "rebuild-state", "Make a stopped pipeline's derived state anew from its log", "penstock rebuild-state ./data",
          chosen, [&](const auto&) { return rebuild_state(a.data, a.from_start); });
  rebuild->add_option("data", a.data, "The data folder")->required();
  rebuild->add_flag("--from-start", a.from_start,
                    "From the oldest record, not the newest checkpoint; goes on even if the log has lost its beginning");

  auto* log = app.add_subcommand("log", "What a stopped pipeline's data folder holds");
  log->require_subcommand(1);
  auto* cat = add(*log, "cat", "Print its events as NDJSON envelopes", "penstock log cat ./data | wc -l", chosen,
                  [&](const auto&) { return cat_log(a.data, a.log); });
  cat->add_option("data", a.data, "The data folder")->required();
  cat->add_option("--log", a.log, "events or captured")->check(CLI::IsMember({"events", "captured"}))->capture_default_str();
}

}  // namespace

// Empty: it may be one; what answers there is another matter.
std::string not_an_address(const std::string& url) {
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  const std::string_view host = known ? std::string_view(url).substr(url.find("//") + 2) : std::string_view();
  if (!host.empty() && host.front() != '/' && host.front() != ':') return {};
  return fmt::format("'{}' is no address; it is one such as http://127.0.0.1:7700", url);
}

void add_target(CLI::App& command, Target& target) {
  command.add_option("--file,-f", target.file, "Configuration whose data folder to ask")->capture_default_str();
  command.add_option("--data", target.data, "Data folder of the running process");
  command.add_option("--url", target.url, "Address of its control API, with --token")->check(not_an_address);
  command.add_option("--token", target.token, "Token of its control API")->needs("--url");
}

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& text, const std::string& example,
              Command& chosen, Command command) {
  auto* added = parent.add_subcommand(name, text);
  added->footer("Example:\n  " + example);
  added->callback([&chosen, command = std::move(command)] { chosen = command; });
  return added;
}

int main(int argc, char** argv, const Registry& registry) {
  CLI::App app{"Penstock: a self-hosted pipeline for product events", "penstock"};
  app.set_version_flag("--version", "penstock " PENSTOCK_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 well; 1 the answer is no (invalid file or app, failing case or event, refused reload, unhealthy);\n"
      "2 wrong command line (no such command, option, app, connector or setting); 3 could not be done (a file cannot be\n"
      "read or written, nothing runs there, no permission, no such dead letter).");
  Arguments arguments;
  Command chosen;
  add_run(app, arguments, chosen);
  add_checks(app, arguments, chosen, registry);
  add_app_commands(app, chosen);
  add_questions(app, arguments, chosen);
  add(app, "version", "Print the version", "penstock version", chosen, [](const auto&) {
    std::puts("penstock " PENSTOCK_VERSION);
    return static_cast<int>(kOk);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty())
      return refuse({ErrorKind::invalid, unknown}, kUsage);
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  auto plugins = plugin_folders();
  if (!plugins) return refuse(plugins.error(), kUsage);
  return chosen({registry, config::process_lookup(), *std::move(plugins)});
}

}  // namespace penstock::cli
