#pragma once
// A configuration file, checked whole: the first half of start-up, and all of `penstock validate`. Pure: it reads files and
// compiles Lua, and changes nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/config/document.h"
#include "pipeline/delivery/settings.h"
#include "pipeline/registry/registry.h"
#include "pipeline/scripting/transform/chain_plan.h"
#include "pipeline/topology/settings.h"

namespace penstock::topology {

struct PlannedSource {
  SourceSettings settings;
  std::string project;
  Plan<AnySource> plan;
};

struct PlannedDestination {
  DestinationSettings settings;
  delivery::DestinationSettings delivery;
  Plan<std::unique_ptr<Destination>> plan;
  std::vector<scripting::AppEntry> app_entries;  // what `chain` was made from
  std::shared_ptr<const scripting::ChainPlan> chain;  // null: it has no apps
  std::uint64_t fingerprint = 0;  // differs when anything in its entry was changed: then a reload restarts it

  std::uint64_t chain_version() const { return chain ? chain->version : 0; }  // likewise, when its apps were
};

// Everything needed to start, as often as wanted.
struct PipelinePlan {
  std::string file;                // as given
  std::string folder;              // its folder: where relative paths start
  std::vector<std::string> files;  // it and what it includes
  std::string data;                // the data folder, resolved
  PipelineSettings settings;
  std::vector<PlannedSource> sources;
  std::vector<scripting::AppEntry> app_entries;  // what `chain` was made from, to make it again when the apps' files change
  std::shared_ptr<const scripting::ChainPlan> chain;
  std::vector<PlannedDestination> destinations;
  std::size_t app_count() const;  // of all chains
  // Of what a reload cannot change: sources, data, workers, log, control, ingest, state, delivery; by name.
  std::vector<std::pair<std::string, std::uint64_t>> fixed_parts;
};

struct Planned {
  std::optional<PipelinePlan> plan;  // when there is no problem
  config::Problems problems;  // sorted
};

// What a check needs besides the file.
struct PlanContext {
  const Registry& registry;
  config::Lookup lookup;
  std::vector<std::string> plugin_folders;  // more folders of apps: what PENSTOCK_PLUGINS names
};

// Where `use: NAME` is looked for in a file of `folder`, in this order: apps/ and plugins/ beside the file, the plugin folders
// of the context, the apps that come with the program.
std::vector<std::string> app_places(const std::string& folder, const PlanContext& context);

Planned plan_pipeline(const std::string& file, const PlanContext& context);

// The chain of a destination from its entries; null when there is a problem, and then it is noted. As scripting::plan_chain, and
// refuses apps that need state.
std::shared_ptr<const scripting::ChainPlan> plan_destination_chain(const std::vector<scripting::AppEntry>& entries,
                                                                   config::Problems& problems);

// What every destination takes besides what its type adds: an entry is read by two structs, and a reader sees one map.
config::StructInfo common_destination_settings();

// The JSON Schema 2020-12 of the whole file, for editors and for tests.
std::string pipeline_schema(const Registry& registry);

}  // namespace penstock::topology
