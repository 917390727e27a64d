#include "pipeline/topology/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "pipeline/config/fields.h"
#include "pipeline/config/fingerprint.h"
#include "pipeline/config/schema.h"
#include "pipeline/scripting/check/condition_check.h"
#include "pipeline/scripting/package/app_files.h"
#include "pipeline/scripting/transform/condition.h"

namespace penstock::topology {
namespace {

using config::Node;
using config::Problems;
using config::StructReader;

// The names of the types, for "did you mean".
template <class Made>
std::vector<std::string_view> type_names(const ConnectorTypes<Made>& types) {
  std::vector<std::string_view> names;
  for (const auto& [name, type] : types.all()) names.push_back(name);
  return names;
}

// Reads what the entry's `type` adds. Nothing when the type is unknown.
template <class Made>
std::optional<Plan<Made>> read_type(StructReader& reader, const std::string& type, const ConnectorTypes<Made>& types) {
  const auto* found = types.find(type);
  if (found != nullptr) return found->read(reader);
  const auto guess = config::closest(type, type_names(types));
  std::string message = fmt::format("unknown type '{}'", type);
  message += guess.empty() ? ": see `penstock connectors list`" : fmt::format(", did you mean '{}'?", guess);
  reader.problem("type", std::move(message));
  return std::nullopt;
}

// Names are what positions, cursors and metrics go by: short, printable, unique.
class Names {
 public:
  void check(StructReader& reader, const std::string& name) {
    const bool good = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    });
    if (!good) reader.problem("name", "expected 1 to 64 letters, digits, '_', '-' or '.'");
    if (name == "ingest") reader.problem("name", "'ingest' is the name of a stage; choose another");
    if (!seen_.insert(name).second) reader.problem("name", fmt::format("'{}' is used twice", name));
  }

 private:
  std::set<std::string> seen_;
};

bool is_list(const Node& node, std::string_view field, Problems& problems) {
  if (node.broken || node.kind == Node::Kind::null) return false;
  if (node.kind == Node::Kind::list) return true;
  problems.push_back({node.at, std::string(field), "expected a list of entries, each beginning with `- name: …`"});
  return false;
}

void check_condition(const std::string& when, StructReader& reader) {
  if (when.empty()) return;
  if (const auto compiled = scripting::Condition::compile(when); !compiled) {
    reader.problem("when", compiled.error().message);
  } else if (const auto wrong = scripting::unknown_name_in(when, scripting::ConditionOf::destination)) {
    reader.problem("when", *wrong);
  }
}

// An entry must be a map before it can be read; the reader says so otherwise, and common fields then are missing anyway.
void plan_sources(PipelinePlan& plan, const Registry& registry, Problems& problems) {
  const auto& list = plan.settings.sources;
  if (!is_list(list, "sources", problems)) return;
  Names names;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    StructReader reader(list.items[i], config::element_path("sources", i, list.items[i]), problems);
    PlannedSource source;
    if (!reader.read(source.settings)) {
      if (const auto* type = reader.find("type"); type != nullptr && registry.sources.find(type->text) != nullptr) {
        registry.sources.find(type->text)->read(reader);
        reader.finish();
      }
      continue;
    }
    names.check(reader, source.settings.name);
    source.project = source.settings.project;
    const auto& projects = plan.settings.projects;
    if (source.project.empty()) source.project = projects.empty() ? "default" : projects.front().name;
    const bool known = (projects.empty() && source.project == "default") ||
                       std::ranges::any_of(projects, [&](const auto& p) { return p.name == source.project; });
    if (!known) reader.problem("project", fmt::format("no project is named '{}'", source.project));
    auto typed = read_type(reader, source.settings.type, registry.sources);
    if (!typed) continue;  // which keys are its own is unknown, so none can be called unknown
    source.plan = *std::move(typed);
    reader.finish();
    plan.sources.push_back(std::move(source));
  }
}

void plan_destinations(PipelinePlan& plan, const Registry& registry, Problems& problems) {
  const auto& list = plan.settings.destinations;
  if (!is_list(list, "destinations", problems)) return;
  Names names;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    StructReader reader(list.items[i], config::element_path("destinations", i, list.items[i]), problems);
    PlannedDestination destination;
    destination.fingerprint = config::fingerprint(list.items[i]);
    const bool common_ok = reader.read(destination.settings);
    const bool delivery_ok = reader.read(destination.delivery);
    if (!common_ok) {
      if (const auto* type = reader.find("type"); type != nullptr && registry.destinations.find(type->text) != nullptr) {
        registry.destinations.find(type->text)->read(reader);
        reader.finish();
      }
      continue;
    }
    names.check(reader, destination.settings.name);
    if (delivery_ok) check_condition(destination.delivery.when, reader);
    auto typed = read_type(reader, destination.settings.type, registry.destinations);
    if (!typed) continue;
    destination.plan = *std::move(typed);
    reader.finish();
    plan.destinations.push_back(std::move(destination));
  }
}

// Only when the file is otherwise well: compiling what cannot be found would add noise.
void plan_chain(PipelinePlan& plan, const PlanContext& context, Problems& problems) {
  const scripting::AppFolders folders{plan.folder, app_places(plan.folder, context)};
  if (plan.settings.apps.kind != Node::Kind::null) {
    const auto before = problems.size();
    plan.app_entries = scripting::read_app_entries(plan.settings.apps, "apps", folders, problems);
    if (problems.size() != before) return;
  }
  plan.chain = scripting::plan_chain(plan.app_entries, problems);
  const auto& items = plan.settings.apps.items;
  for (std::size_t i = 0; i < items.size() && i < plan.app_entries.size(); ++i) {
    const auto* when = items[i].find("when");
    const auto wrong = when == nullptr || plan.chain == nullptr
                           ? std::nullopt
                           : scripting::unknown_name_in(plan.app_entries[i].when, scripting::ConditionOf::app);
    if (wrong) problems.push_back({when->at, config::element_path("apps", i, items[i]) + ".when", *wrong});
  }
}

std::uint64_t fingerprint_of(const Node& root, std::string_view key) {
  const auto* node = root.find(key);
  return config::fingerprint(node == nullptr ? Node{} : *node);
}

}  // namespace

std::vector<std::string> app_places(const std::string& folder, const PlanContext& context) {
  std::vector<std::string> places;
  for (const auto* name : {"apps", "plugins"})
    places.push_back((std::filesystem::path(folder) / name).lexically_normal().string());
  std::ranges::copy(context.plugin_folders, std::back_inserter(places));
  places.emplace_back(scripting::kBundledApps);
  return places;
}

Planned plan_pipeline(const std::string& file, const PlanContext& context) {
  Planned planned;
  auto document = config::load_document(file, context.lookup);
  planned.problems = std::move(document.problems);
  if (!document.readable) return planned;

  PipelinePlan plan;
  plan.file = file;
  plan.folder = std::filesystem::path(file).parent_path().string();
  if (plan.folder.empty()) plan.folder = ".";
  plan.files = std::move(document.files);

  StructReader reader(document.root, "", planned.problems);
  reader.allow("include");
  reader.read(plan.settings);
  reader.finish();
  plan.data = (std::filesystem::path(plan.folder) / plan.settings.data).lexically_normal().string();
  plan_sources(plan, context.registry, planned.problems);
  plan_destinations(plan, context.registry, planned.problems);
  plan_chain(plan, context, planned.problems);
  for (const auto* key : {"data", "workers", "log", "projects", "sources", "control", "ingest", "state", "delivery"}) {
    plan.fixed_parts.emplace_back(key, fingerprint_of(document.root, key));
  }
  config::sort_problems(planned.problems);
  if (planned.problems.empty()) planned.plan = std::move(plan);
  return planned;
}

config::StructInfo common_destination_settings() {
  config::StructInfo common = config::struct_info<DestinationSettings>();
  std::ranges::copy(config::struct_info<delivery::DestinationSettings>().fields, std::back_inserter(common.fields));
  return common;
}

std::string pipeline_schema(const Registry& registry) {
  const config::StructInfo common = common_destination_settings();
  config::TypedList sources{"sources", &config::struct_info<SourceSettings>(), {}};
  for (const auto& [name, type] : registry.sources.all()) sources.variants.push_back({name, type.summary, type.settings});
  config::TypedList destinations{"destinations", &common, {}};
  for (const auto& [name, type] : registry.destinations.all()) {
    destinations.variants.push_back({name, type.summary, type.settings});
  }
  // `apps` is read by the scripting room; its entries have fields like any other.
  config::StructInfo pipeline = config::struct_info<PipelineSettings>();
  for (auto& declared : pipeline.fields) {
    if (declared.name == "apps") declared.type = &config::detail::type_info<std::vector<scripting::AppEntry>>();
  }
  return config::pipeline_schema(pipeline, {sources, destinations}, "A Penstock pipeline");
}

}  // namespace penstock::topology
