#pragma once
// One function a command; each returns an exit code and prints to standard output what was asked for, to standard error
// what went wrong and what to do.

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/log.h"
#include "pipeline/registry/registry.h"
#include "pipeline/topology/plan.h"

namespace penstock::cli {

struct RunOptions {
  std::string file = "penstock.yaml";
  bool keep_running = false;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::automatic;
};
int run(const RunOptions& options, const topology::PlanContext& context);

int validate(const std::vector<std::string>& files, const topology::PlanContext& context);
int print_schema(const Registry& registry);
int list_connectors(const Registry& registry);
int show_connector(const std::string& name, const Registry& registry);
int init(const std::string& folder, const topology::PlanContext& context);

// How a command finds the running process: an address, or a data folder, or the `data` of a configuration file.
struct Target {
  std::string url;
  std::string token;
  std::string data;
  std::string file = "penstock.yaml";
};
int status(const Target& target, bool json, const topology::PlanContext& context);
int reload(const Target& target, const topology::PlanContext& context);

struct DeadListOptions {
  std::string stage;
  std::string code;
  int limit = 100;
  std::string after;
  bool json = false;
};
int list_dead(const Target& target, const DeadListOptions& options, const topology::PlanContext& context);
int show_dead(const Target& target, const std::string& id, bool json, const topology::PlanContext& context);

// Reads all that a data folder holds which no process has open, unpacks what is in its logs, and prints what it found.
int verify_data(const std::string& data);
// Goes on without what is damaged of the log `captured`; see topology/captured.h. Prints what is lost.
int repair_logs(const std::string& data);

// A copy of a data folder; see topology/backup.h.
int back_up(const Target& target, const std::string& folder, const topology::PlanContext& context);

// Makes the derived state of a data folder, which no process has open, anew; see state/rebuild.h.
int rebuild_state(const std::string& data, bool from_start);

// The events of a data folder that no process has open, as NDJSON envelopes.
int cat_log(const std::string& data, const std::string& log);

}  // namespace penstock::cli
