#include "pipeline/topology/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <thread>

namespace penstock::topology {
namespace {

constexpr std::uint64_t kBytesPerUuid = 28;  // pipeline/ingest/seen_uuids.h
constexpr Bytes kStores = 48_MiB;            // write buffers and caches of derived state and delivery's store
constexpr Bytes kStateOfShard = 40_MiB;      // of the derived state of one more shard
constexpr Bytes kRecentRecords = 16_MiB;     // of both logs: LocalLogOptions::recent_max
constexpr Bytes kMoreChunks = 64_MiB;        // what the default gives beyond what is needed
constexpr Bytes kReadAhead = 10_MiB;         // of one reader of a log on Kafka: its queue, and a fetch beyond it
// One batch is collected, one is being committed, one record is being read.
constexpr std::uint64_t kCommitsAtOnce = 3;
constexpr std::size_t kPartsTold = 4;

Bytes sum_of(const std::vector<MemoryPart>& parts) {
  return std::accumulate(parts.begin(), parts.end(), Bytes{0},
                         [](Bytes sum, const MemoryPart& part) { return Bytes{sum.count + part.bytes.count}; });
}

Bytes in_whole_mib(std::uint64_t bytes) { return {(bytes + (1 << 20) - 1) >> 20 << 20}; }

// Chunks of the newest records, and one record in the hands of a destination that lags.
Bytes fewest_chunks(const IngestSettings& ingest) { return {kRecentRecords.count + 2 * ingest.commit_bytes.count}; }

}  // namespace

int wanted_workers(const PipelineSettings& settings) {
  if (settings.log.shards > 1) return settings.log.shards;  // one for each that this process may come to have
  const int spare = static_cast<int>(std::thread::hardware_concurrency()) - 1;
  return settings.workers.value_or(std::max(spare, 1));
}

MemoryPlan plan_memory(const PipelinePlan& plan) {
  const auto& settings = plan.settings;
  MemoryPlan memory;
  const auto add = [&](std::string what, std::uint64_t bytes) {
    memory.parts.push_back({std::move(what), in_whole_mib(bytes)});
  };
  add("log.pending_max", settings.log.pending_max.count);
  const auto shards = static_cast<std::uint64_t>(settings.log.shards);
  for (const auto& source : plan.sources) {
    const std::uint64_t of_shares = shards > 1 ? shards * source.plan.share_memory_min.count : 0;
    const std::uint64_t bytes = std::max(source.plan.memory.count, of_shares);
    if (bytes > 0) add("input of source " + source.settings.name, bytes);
  }
  const std::uint64_t commits = kCommitsAtOnce * static_cast<std::uint64_t>(wanted_workers(settings));
  add(fmt::format("{} times ingest.commit_bytes, {} for each of the workers", commits, kCommitsAtOnce),
      commits * settings.ingest.commit_bytes.count);
  // Each worker reads `captured`, and all destinations together the end of `events`. One that lags reads alone.
  if (settings.log.type == LogType::kafka) {
    const auto readers = static_cast<std::uint64_t>(wanted_workers(settings)) + (plan.destinations.empty() ? 0 : 2);
    add("reading ahead of the log on Kafka", readers * kReadAhead.count);
  }
  // What shards here have committed, and what they find of others.
  const std::uint64_t sets = shards > 1 ? 2 : 1;
  add(shards > 1 ? "ingest.dedup.uuids, twice" : "ingest.dedup.uuids",
      sets * kBytesPerUuid * static_cast<std::uint64_t>(settings.ingest.dedup.uuids));
  add("the stores", kStores.count);
  // All of them may come to be here.
  if (shards > 1) add("states of the log.shards", (shards - 1) * kStateOfShard.count);
  for (const auto& destination : plan.destinations) {
    add(fmt::format("writes of destination {} (in_flight_max times batch.bytes)", destination.settings.name),
        static_cast<std::uint64_t>(destination.delivery.in_flight_max) * destination.delivery.batch.bytes.count);
    add("events that wait for another try at destination " + destination.settings.name,
        2 * delivery::kAsideMax.count + destination.delivery.batch.bytes.count);
    add("dead letters of destination " + destination.settings.name,
        delivery::kLettersWaitingMax.count + delivery::kLettersAgainMax.count + destination.delivery.batch.bytes.count);
  }
  const Bytes parts = sum_of(memory.parts);
  memory.needed = in_whole_mib(parts.count + fewest_chunks(settings.ingest).count);
  memory.max = settings.memory_max.value_or(Bytes{memory.needed.count + kMoreChunks.count});
  memory.chunks = {memory.max.count - std::min(memory.max.count, parts.count)};
  memory.shared = {memory.chunks.count - std::min(memory.chunks.count, kRecentRecords.count)};
  return memory;
}

std::optional<std::string> too_little(const MemoryPlan& memory) {
  if (memory.max >= memory.needed) return std::nullopt;
  auto parts = memory.parts;
  std::ranges::stable_sort(parts, [](const auto& a, const auto& b) { return a.bytes.count > b.bytes.count; });
  if (parts.size() > kPartsTold) parts.resize(kPartsTold);
  std::string largest;
  for (const auto& part : parts)
    largest += fmt::format("{}{} {}", largest.empty() ? "" : ", ", part.what, to_string(part.bytes));
  return fmt::format("too little: what may wait in memory needs {}; lower its largest parts ({}), or allow more",
                     to_string(memory.needed), largest);
}

}  // namespace penstock::topology
