#pragma once
// `penstock app …`: one function a command, as in commands.h.

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/topology/plan.h"

namespace penstock::cli {

// Writes a small app that works into `<parent>/<name>`.
int new_app(const std::string& name, const std::string& parent);

struct AppTestOptions {
  std::vector<std::string> names;  // none: all that can be found
  bool watch = false;
  bool coverage = false;
  bool update = false;  // also by UPDATE=1 in the environment
  bool json = false;
};
// The cases of apps.
int test_apps(AppTestOptions options, const topology::PlanContext& context);

struct AppRunOptions {
  std::string name;
  std::string in;  // NDJSON; "-" is standard input
  std::vector<std::string> settings;  // "key=value", values as YAML
  std::vector<std::string> map;       // "fact=path", as a source's `map:`
  std::uint64_t limit = 0;  // events; 0: all
  bool json = false;
};
// What an app does to the events of a file.
int run_app(const AppRunOptions& options, const topology::PlanContext& context);

// Mistakes in the files of apps, seen without running them.
int check_apps(const std::vector<std::string>& names, bool json, const topology::PlanContext& context);

int list_apps(bool json, const topology::PlanContext& context);
int show_app(const std::string& name, bool json, const topology::PlanContext& context);

struct AppBenchOptions {
  std::string name;
  std::string in;  // empty: the events of its cases, and one of ordinary size
  std::vector<std::string> settings;
  std::uint64_t events = 20'000;  // of each run
  bool json = false;
};
// What an app costs for each event, and what of it could be cheaper.
int bench_app(const AppBenchOptions& options, const topology::PlanContext& context);

// What an app finds in its `app` table, as Markdown; the text of docs/reference/app_table.md. Or for lua-language-server.
int print_app_reference(bool lua);

}  // namespace penstock::cli
