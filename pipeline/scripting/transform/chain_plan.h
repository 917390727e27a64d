#pragma once
// The `apps:` of a pipeline or a destination: read from YAML, then checked and compiled once. A plan is an immutable snapshot
// that every worker makes its own Chain from; a reload makes another plan beside it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/config/fields.h"
#include "pipeline/scripting/transform/app_plan.h"

template <>
struct penstock::config::enum_names<penstock::scripting::OnError> {
  using OnError = penstock::scripting::OnError;
  static constexpr std::array names{std::pair{"dead_letter", OnError::dead_letter}, std::pair{"drop", OnError::drop},
                                    std::pair{"pass", OnError::pass}};
};

namespace penstock::scripting {

// One entry as the YAML says it.
struct AppEntry {
  std::string use;  // an app's name, or with a '/' a path relative to the YAML
  std::string name;  // empty: the app's
  config::Node settings;  // null: none
  std::vector<std::string> events;  // names and globs on the fact; none: all
  std::string when;
  OnError on_error = OnError::dead_letter;
  SuspensionSettings suspend;
  LimitSettings limits;

  std::string folder;  // where it was found
  std::string path;  // for messages: "apps[1] (hash_fields)"
  config::Location at;

  static constexpr auto fields() {
    using config::field;
    using config::Need;
    return std::tuple{
        field("use", &AppEntry::use, "The app: a name, or a path such as ./apps/mine relative to this file.",
              Need::required),
        field("name", &AppEntry::name, "How metrics, dead letters and app.state call it; the app's own name when not set."),
        field("with", &AppEntry::settings, "The app's settings; `penstock app show` lists them."),
        field("events", &AppEntry::events, "Names and globs (\"$page*\") of the events it sees; all when not set."),
        field("when", &AppEntry::when, "A Lua expression over event and facts; the app sees the event when it is true."),
        field("on_error", &AppEntry::on_error, "What becomes of an event on which the app fails."),
        field("suspend", &AppEntry::suspend,
              "When an app that keeps failing is taken out of the way, and what happens then."),
        field("limits", &AppEntry::limits, "What it may use, in place of the app's own limits.")};
  }
};

// Where apps are looked for.
struct AppFolders {
  std::string base;  // the folder of the YAML
  std::vector<std::string> plugins;  // for names, in this order
};

// Reads a list of entries, finds each app and checks its settings; runs no Lua. `path` is the list's: "apps". What is wrong is
// noted, and then the result is not to be used.
std::vector<AppEntry> read_app_entries(const config::Node& list, const std::string& path, const AppFolders& folders,
                                       config::Problems& problems);

// The folder of the app that `use` names, or what is wrong with the name.
Result<std::string> find_app(const std::string& use, const AppFolders& folders);

struct ChainPlan {
  std::vector<AppPlan> apps;
  std::uint64_t version = 0;  // of sources, settings, filters, conditions
};

// Reads the apps' files and compiles each once. Null when there is a problem, and then it is noted at the entry's place.
std::shared_ptr<const ChainPlan> plan_chain(const std::vector<AppEntry>& entries, config::Problems& problems);

}  // namespace penstock::scripting
