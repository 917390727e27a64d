#pragma once
// What everything that waits in memory may come to, part by part: appends, requests, batches, what de-duplication and the stores
// keep, and the decoded chunks of the logs, which get what is left of `memory_max`. Lua states have limits of their own
// (`limits.memory` of an app), and the program itself is about 40 MiB.

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/bytes.h"
#include "pipeline/topology/plan.h"

namespace penstock::topology {

struct MemoryPart {
  std::string what;  // with the setting that bounds it, if there is one
  Bytes bytes;
};

struct MemoryPlan {
  std::vector<MemoryPart> parts;  // without the chunks
  Bytes needed;  // of the parts and the fewest chunks that work
  Bytes max;  // `memory_max`, or its default: what is needed and room for more chunks
  Bytes chunks;  // what they get of it
  Bytes shared;  // of that, what destinations divide: without the newest records, which are kept for whoever comes
};

// As the settings say, or one less than the machine has cores. There are no more than the log has partitions.
int wanted_workers(const PipelineSettings& settings);

MemoryPlan plan_memory(const PipelinePlan& plan);

// What to say when `memory_max` is less than what is needed: the sum, and the largest parts.
std::optional<std::string> too_little(const MemoryPlan& memory);

}  // namespace penstock::topology
