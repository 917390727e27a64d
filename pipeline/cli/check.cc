// Commands that run nothing: validate, schema, connectors, init.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/counted.h"
#include "pipeline/cli/exit_code.h"
#include "pipeline/config/reference.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kFirstConfig =
    R"(# A Penstock pipeline. Check it with `penstock validate`, start it with `penstock run`.
# Paths are relative to this file. `penstock connectors list` names every source and destination.

data: ./data                          # logs, cursors and dead letters; one process at a time

sources:
  - name: web                         # try: curl -d '{"event":"signup","distinct_id":"ada"}' http://127.0.0.1:8000/events
    type: http
    listen: 127.0.0.1:8000
    # token: ${env:WEB_TOKEN}         # then senders need "Authorization: Bearer …"

apps:                                 # every event passes these, in this order
  - use: filter_bots
  - use: set_fields
    with: { fields: { properties.env: dev } }
  # - use: hash_fields
  #   with: { fields: [properties.email] }

destinations:
  - name: archive
    type: file
    path: ./out/events.ndjson
  # - name: crm
  #   type: webhook
  #   url: ${env:CRM_URL}             # a secret never stands in the file
  #   events: [signup]                # names, with * for any text
  #   when: type(event.properties) == "table" and event.properties.plan ~= "free"
  #   batch: { events: 500, bytes: 1MiB, within: 2s }
)";

template <class Made>
void print_types(std::string_view title, const ConnectorTypes<Made>& types) {
  fmt::print("{}\n", title);
  for (const auto& [name, type] : types.all()) fmt::print("  {:<10} {}\n", name, type.summary);
}

// `common`: what every entry of this kind takes besides what its type adds.
template <class Made>
bool print_type(std::string_view kind, const std::string& name, const ConnectorTypes<Made>& types,
                const std::string& common) {
  const auto* type = types.find(name);
  if (type == nullptr) return false;
  fmt::print("# {} `{}`\n\n{}\n\n{}\n## Settings of every {}\n\n{}\n## Example\n\n```yaml\n- name: my_{}\n  type: {}\n",
             kind, name, type->summary, config::reference_markdown(*type->settings),
             kind == "Source" ? "source" : "destination", common, name, name);
  std::size_t at = 0;
  while (at < type->example.size()) {
    const auto end = std::min(type->example.find('\n', at), type->example.size());
    if (end > at) fmt::print("  {}\n", type->example.substr(at, end - at));
    at = end + 1;
  }
  fmt::print("```\n\n");
  return true;
}

}  // namespace

int validate(const std::vector<std::string>& files, const topology::PlanContext& context) {
  int code = kOk;
  for (const auto& file : files) {
    const auto planned = topology::plan_pipeline(file, context);
    for (const auto& problem : planned.problems) fmt::print(stderr, "{}\n", problem.to_string());
    if (planned.plan) {
      fmt::print("{}: valid; {}, {}, {}\n", file, counted(planned.plan->sources.size(), "source"),
                 counted(planned.plan->app_count(), "app"), counted(planned.plan->destinations.size(), "destination"));
    } else {
      fmt::print(stderr, "{}: {}\n", file, counted(planned.problems.size(), "problem"));
      code = kNotWell;
    }
  }
  return code;
}

int print_schema(const Registry& registry) {
  fmt::print("{}", topology::pipeline_schema(registry));
  return kOk;
}

int list_connectors(const Registry& registry) {
  print_types("sources", registry.sources);
  print_types("destinations", registry.destinations);
  return kOk;
}

int show_connector(const std::string& name, const Registry& registry) {
  const bool source = print_type("Source", name, registry.sources,
                                 config::reference_markdown(config::struct_info<topology::SourceSettings>()));
  const bool destination = print_type("Destination", name, registry.destinations,
                                      config::reference_markdown(topology::common_destination_settings()));
  if (source || destination) return kOk;
  std::vector<std::string_view> names;
  for (const auto& [source_name, type] : registry.sources.all()) names.push_back(source_name);
  for (const auto& [destination_name, type] : registry.destinations.all()) names.push_back(destination_name);
  return refuse({ErrorKind::not_found, config::unknown_name("source or destination", name, names)}, kUsage);
}

int init(const std::string& folder, const topology::PlanContext& context) {
  const auto path = std::filesystem::path(folder) / "penstock.yaml";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    fmt::print(stderr, "penstock: create {}: {}\n", folder, error.message());
    return kCannot;
  }
  const bool there = std::filesystem::exists(path, error);
  if (error) {
    fmt::print(stderr, "penstock: {} cannot be looked at: {}\n", path.string(), error.message());
    return kCannot;
  }
  if (there) {
    fmt::print(stderr, "penstock: {} exists and is left as it is\n", path.string());
    return kNotWell;
  }
  std::ofstream out(path);
  out << kFirstConfig;
  out.close();
  if (!out) {
    fmt::print(stderr, "penstock: write {}: {}\n", path.string(), "the disk refuses");
    return kCannot;
  }
  fmt::print("wrote {}\nnext: penstock run {}\n", path.string(), path.string());
  return validate({path.string()}, context);
}

}  // namespace penstock::cli
