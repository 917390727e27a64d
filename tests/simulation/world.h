#pragma once
// What outlives a process: disk and state, delivery's store, the clients, the receivers, and time. One run has one.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/memory_budget.h"
#include "pipeline/delivery/delivery_store.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"
#include "tests/simulation/client.h"
#include "tests/simulation/feed.h"
#include "tests/simulation/random_executor.h"
#include "tests/simulation/receiver.h"
#include "tests/simulation/settings.h"
#include "tests/simulation/simulated_state.h"

namespace penstock::simulation {

struct World {
  // The store is empty, and is the caller's, because opening one takes longer than a run.
  World(std::uint64_t seed, delivery::DeliveryStore& used, Traced traced)
      : chance(seed), trace(traced, clock), settings(draw_settings(chance)), store(used) {
    for (const auto& plan : settings.destinations)
      receivers.push_back(std::make_unique<Receiver>(plan.habits, chance, trace));
    for (int i = 0; i < settings.clients; ++i)
      clients.push_back(std::make_unique<Client>("client " + std::to_string(i), clock, chance, trace));
    if (settings.feed_partitions > 0) feed = std::make_unique<Feed>(settings.feed_partitions, chance, trace);
    if (settings.memory > 0) memory = std::make_unique<MemoryBudget>(settings.memory);
  }

  Chance chance;
  fakes::ManualClock clock;
  Trace trace;
  const Settings settings;
  RandomExecutor executor{clock, chance};
  std::unique_ptr<fakes::MemoryDisk> disk = std::make_unique<fakes::MemoryDisk>();
  SimulatedState state;
  delivery::DeliveryStore& store;
  std::vector<std::unique_ptr<Receiver>> receivers;
  std::vector<std::unique_ptr<Client>> clients;
  std::unique_ptr<Feed> feed;  // null: there is no polled source
  std::set<std::string> paused;  // destinations, as the catalog would know
  int started = 0;  // processes so far
  std::unique_ptr<MemoryBudget> memory;  // null: no limit
};

}  // namespace penstock::simulation
