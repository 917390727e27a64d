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
#include "pipeline/topology/claims.h"
#include "pipeline/topology/memory_plan.h"

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

// Of a log on Kafka; no names: it is not on Kafka.
KafkaTopics topics_of(const LogSettings& log) {
  if (log.type != LogType::kafka) return {};
  const auto config = log.on_kafka();
  return {.brokers = config.brokers, .names = {config.captured_topic(), config.events_topic(), config.state_topic()}};
}

// Nothing would ever be delivered by those that have no partition of the events.
void refuse_idle_shards(const LogSettings& log, const Node& root, Problems& problems) {
  if (!log.partitions || log.shards <= *log.partitions) return;
  const auto* node = root.find("log");
  const auto* shards = node == nullptr ? nullptr : node->find("shards");
  if (shards == nullptr) return;
  problems.push_back(
      {shards->at, "log.shards",
       fmt::format("of {} shards some would have none of the {} `partitions`, and nothing to deliver: say at most "
                   "as many",
                   log.shards, *log.partitions)});
}

// A cluster may have other names too, so the source looks at the cluster itself before it reads.
void refuse_own_topics(const KafkaTopics& own, const KafkaTopics& reads, StructReader& reader) {
  const auto is_own = [&](const std::string& broker) { return std::ranges::find(own.brokers, broker) != own.brokers.end(); };
  if (!std::ranges::any_of(reads.brokers, is_own)) return;
  for (const auto& name : reads.names) {
    if (std::ranges::find(own.names, name) == own.names.end()) continue;
    reader.problem(
        reads.field,
        fmt::format("'{}' is a topic of this pipeline's own log: what is read from it would be written to it again, "
                    "without end",
                    name));
  }
}

// An entry must be a map before it can be read; the reader says so otherwise, and common fields then are missing anyway.
void plan_sources(PipelinePlan& plan, const Registry& registry, Claims& claims, Problems& problems) {
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
    if (source.plan.by_captured && plan.settings.log.shards > 1)
      reader.problem("key", "`repartition` does not go with `log.shards`: read the topic into a log with one shard");
    if (source.plan.needs_map && !source.settings.map)
      reader.problem("map", "what this source reads has no `event` of its own; say with `map` where it is");
    refuse_own_topics(topics_of(plan.settings.log), source.plan.reads, reader);
    if (reader.finish()) claims.take(source.plan.claims, reader.node(), reader.path(), problems);
    plan.sources.push_back(std::move(source));
  }
}

using PlanChain = std::shared_ptr<const scripting::ChainPlan>(const std::vector<scripting::AppEntry>&, Problems&);

// A list of apps under `path`. Compiles only when the list is otherwise well: compiling what cannot be found would add noise.
std::shared_ptr<const scripting::ChainPlan> plan_apps(const Node& list, const std::string& path,
                                                      const scripting::AppFolders& folders, PlanChain plan_chain,
                                                      std::vector<scripting::AppEntry>& entries, Problems& problems) {
  const auto before = problems.size();
  entries = scripting::read_app_entries(list, path, folders, problems);
  if (problems.size() != before) return nullptr;
  auto chain = plan_chain(entries, problems);
  if (chain == nullptr) return nullptr;
  for (std::size_t i = 0; i < list.items.size() && i < entries.size(); ++i) {
    const auto* when = list.items[i].find("when");
    if (when == nullptr) continue;
    if (const auto wrong = scripting::unknown_name_in(entries[i].when, scripting::ConditionOf::app))
      problems.push_back({when->at, entries[i].path + ".when", *wrong});
  }
  return chain;
}

void plan_destinations(PipelinePlan& plan, const Registry& registry, const scripting::AppFolders& folders, Claims& claims,
                       Problems& problems) {
  const auto& list = plan.settings.destinations;
  if (!is_list(list, "destinations", problems)) return;
  Names names;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = config::element_path("destinations", i, list.items[i]);
    StructReader reader(list.items[i], path, problems);
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
    if (destination.delivery.hold && plan.settings.log.type == LogType::kafka)
      reader.problem("hold", "on Kafka the brokers remove events, whoever still wants them; see retention.ms of the topic");
    if (destination.delivery.on_dead == delivery::OnDead::block && plan.settings.log.shards > 1)
      reader.problem("on_dead",
                     "`block` does not go with `log.shards`: dead letters stay with the process that made them, and "
                     "whoever takes a shard over would not know what they hold up");
    if (delivery_ok) check_condition(destination.delivery.when, reader);
    if (const Node& apps = destination.settings.apps; apps.kind != Node::Kind::null)
      destination.chain =
          plan_apps(apps, path + ".apps", folders, plan_destination_chain, destination.app_entries, problems);
    auto typed = read_type(reader, destination.settings.type, registry.destinations);
    if (!typed) continue;
    destination.plan = *std::move(typed);
    if (reader.finish()) claims.take(destination.plan.claims, reader.node(), path, problems);
    plan.destinations.push_back(std::move(destination));
  }
}

std::uint64_t fingerprint_of(const Node& root, std::string_view key) {
  const auto* node = root.find(key);
  return config::fingerprint(node == nullptr ? Node{} : *node);
}

// `apps` is read by the scripting room; its entries have fields like any other.
void say_what_apps_are(config::StructInfo& settings) {
  for (auto& declared : settings.fields) {
    if (declared.name == "apps") declared.type = &config::detail::type_info<std::vector<scripting::AppEntry>>();
  }
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

std::shared_ptr<const scripting::ChainPlan> plan_destination_chain(const std::vector<scripting::AppEntry>& entries,
                                                                   Problems& problems) {
  auto chain = scripting::plan_chain(entries, problems);
  if (chain == nullptr || entries.empty()) return nullptr;
  const auto before = problems.size();
  for (std::size_t i = 0; i < chain->apps.size(); ++i) {
    const auto& manifest = chain->apps[i].manifest;
    if (!manifest.permissions.state) continue;
    problems.push_back({entries[i].at, entries[i].path,
                        fmt::format("app {} uses app.state (`permissions: {{ state: true }}` in app.yaml), and apps of a "
                                    "destination have none: put it into the `apps:` of the pipeline",
                                    manifest.name)});
  }
  return problems.size() > before ? nullptr : chain;
}

std::size_t PipelinePlan::app_count() const {
  std::size_t count = chain->apps.size();
  for (const auto& destination : destinations) count += destination.app_entries.size();
  return count;
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
  Claims claims(plan.folder, plan.data);
  if (const auto* control = document.root.find("control"); control != nullptr)
    claims.take({{.field = "listen", .address = plan.settings.control.listen}}, *control, "control", planned.problems);
  refuse_idle_shards(plan.settings.log, document.root, planned.problems);
  plan_sources(plan, context.registry, claims, planned.problems);
  const scripting::AppFolders folders{plan.folder, app_places(plan.folder, context)};
  plan_destinations(plan, context.registry, folders, claims, planned.problems);
  plan.chain = plan_apps(plan.settings.apps, "apps", folders, scripting::plan_chain, plan.app_entries, planned.problems);
  if (const auto problem = planned.problems.empty() ? too_little(plan_memory(plan)) : std::nullopt) {
    planned.problems.push_back({document.root.find("memory_max")->at, "memory_max", *problem});
  }
  for (const auto* key :
       {"data", "workers", "log", "projects", "sources", "control", "ingest", "state", "delivery", "memory_max"}) {
    plan.fixed_parts.emplace_back(key, fingerprint_of(document.root, key));
  }
  config::sort_problems(planned.problems);
  if (planned.problems.empty()) planned.plan = std::move(plan);
  return planned;
}

config::StructInfo common_destination_settings() {
  config::StructInfo common = config::struct_info<DestinationSettings>();
  say_what_apps_are(common);
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
  config::StructInfo pipeline = config::struct_info<PipelineSettings>();
  say_what_apps_are(pipeline);
  return config::pipeline_schema(pipeline, {sources, destinations}, "A Penstock pipeline");
}

}  // namespace penstock::topology
