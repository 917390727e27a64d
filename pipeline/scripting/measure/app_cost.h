#pragma once
// What an app costs for each event: time, measured as a pipeline runs it, and counts, from a second pass with a script whose
// functions count.

#include <chrono>
#include <string>
#include <vector>

#include "pipeline/config/node.h"
#include "pipeline/scripting/measure/script_counters.h"

namespace penstock::scripting {

struct AppCost {
  // Of whole runs, divided by their events, in nanoseconds. `floor` is what an app costs that returns every event as it is.
  double median = 0, fastest = 0, slowest = 0, floor = 0;
  std::uint64_t events = 0;  // of each run
  std::size_t samples = 0;  // different events
  double bytes = 0;  // of a sample, mean
  std::size_t failing = 0;  // samples left out because the app fails on them
  std::string failure;  // of one of those

  // Of one round over the samples.
  ScriptCounts counts;
  double assigned_bytes = 0;
  std::size_t rebuilt = 0;  // samples for which a new table was returned

  double each(std::uint64_t count) const { return static_cast<double>(count) / static_cast<double>(samples); }
};

// An event of ordinary size (950 bytes), as a browser's SDK sends it.
std::string_view ordinary_event();

// `samples` are JSON objects. An error: the app does not load with these settings, or fails on every sample.
Result<AppCost> measure_app(const std::string& folder, const config::Node& settings, const std::vector<std::string>& samples,
                            std::uint64_t events);

// What stands out, in sentences; nothing when nothing does.
std::vector<std::string> cost_advice(const AppCost& cost);

}  // namespace penstock::scripting
