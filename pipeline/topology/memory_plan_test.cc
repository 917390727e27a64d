#include "pipeline/topology/memory_plan.h"

#include <doctest/doctest.h>

#include <numeric>

namespace penstock::topology {
namespace {

PipelinePlan a_plan(int destinations) {
  PipelinePlan plan;
  plan.settings.workers = 1;
  for (int i = 0; i < destinations; ++i) {
    PlannedDestination& made = plan.destinations.emplace_back();
    made.settings.name = "d" + std::to_string(i);
    made.delivery.in_flight_max = 4;
    made.delivery.batch.bytes = 2_MiB;
  }
  return plan;
}

}  // namespace

TEST_CASE("by default every buffer has what its setting says, and the chunks some more") {
  const auto few = plan_memory(a_plan(1));
  const auto many = plan_memory(a_plan(11));
  CHECK_FALSE(too_little(few));
  const auto letters = delivery::kLettersWaitingMax.count + delivery::kLettersAgainMax.count + (2_MiB).count;
  CHECK_EQ(many.max.count - few.max.count,
           10 * (4 * (2_MiB).count + letters + 2 * delivery::kAsideMax.count + (2_MiB).count));
  CHECK_EQ(many.chunks, few.chunks);
  CHECK_GE(few.chunks, 64_MiB);
}

TEST_CASE("what is left of memory_max goes to the chunks") {
  auto plan = a_plan(1);
  plan.settings.memory_max = 512_MiB;
  plan.sources.emplace_back().plan.memory = 32_MiB;
  const auto memory = plan_memory(plan);
  const auto parts = std::accumulate(memory.parts.begin(), memory.parts.end(), std::uint64_t{0},
                                     [](auto sum, const auto& part) { return sum + part.bytes.count; });
  CHECK_EQ(parts + memory.chunks.count, (512_MiB).count);
  CHECK_FALSE(too_little(memory));
}

TEST_CASE("each shard that may come has a state and its part of a source") {
  auto plan = a_plan(0);
  plan.settings.log.type = LogType::kafka;
  auto& source = plan.sources.emplace_back();
  source.plan.memory = 32_MiB;
  source.plan.share_memory_min = 8_MiB;
  const auto needed = [&](int shards) {
    plan.settings.log.shards = shards;
    plan.settings.workers = shards;
    return plan_memory(plan).needed.count;
  };
  // A worker of its own each has anyway: three commits, and what it reads ahead.
  const std::uint64_t of_worker = 3 * plan.settings.ingest.commit_bytes.count + (10_MiB).count;
  CHECK_EQ(needed(4) - needed(2), 2 * (of_worker + (40_MiB).count));
  CHECK_EQ(needed(8) - needed(4), 4 * (of_worker + (40_MiB).count + (8_MiB).count));
}

TEST_CASE("too little memory is refused with the sum and the largest parts") {
  auto plan = a_plan(3);
  plan.destinations[1].delivery.batch.bytes = 64_MiB;
  plan.settings.memory_max = 128_MiB;
  const auto problem = too_little(plan_memory(plan));
  REQUIRE(problem);
  CHECK_NE(
      problem->find("writes of destination d1 (in_flight_max times batch.bytes) 256MiB, events that wait for another try at "
                    "destination d1 72MiB, dead letters of destination d1 72MiB"),
      std::string::npos);
  plan.settings.memory_max = plan_memory(plan).needed;
  CHECK_FALSE(too_little(plan_memory(plan)));
  --plan.settings.memory_max->count;
  CHECK(too_little(plan_memory(plan)));
}

}  // namespace penstock::topology
