#include "tests/simulation/settings.h"

#include <algorithm>

namespace penstock::simulation {
namespace {

DestinationPlan draw_destination(const std::string& name, Chance& chance) {
  DestinationPlan plan;
  ReceiverHabits& habits = plan.habits;
  habits.name = name;
  habits.troubles_max = chance.between(0, 3);
  habits.busy_answers = chance.between(1, 2);

  delivery::DestinationSettings& settings = plan.settings;
  settings.batch.events = chance.between(1, 10);
  settings.batch.bytes = chance.one_in(2) ? 1_KiB : 64_KiB;
  settings.batch.within = Duration{chance.between(0, 300)};
  settings.in_flight_max = habits.in_flight_max = chance.between(1, 4);
  // More than troubles and busy neighbours together can charge to an innocent event.
  settings.retry.attempts_max = habits.troubles_max + habits.busy_answers + chance.between(1, 3);
  settings.retry.age_max = Duration{86'400'000};
  settings.retry.wait_min = Duration{chance.between(10, 100)};
  settings.retry.wait_max = Duration{chance.between(200, 2000)};
  settings.suspend.retry = Duration{5000};
  if (chance.one_in(3)) settings.suspend.events = chance.between(2, 4);
  if (chance.one_in(6)) settings.rate.events = chance.between(5, 40);
  if (chance.one_in(8)) settings.rate.bytes = Bytes{static_cast<std::uint64_t>(chance.between(1000, 20'000))};
  settings.drain = Duration{2000};
  settings.hold = chance.one_in(2);
  settings.order = chance.one_in(2) ? delivery::Order::none : delivery::Order::key;
  habits.in_order = settings.order == delivery::Order::key;
  if (habits.in_order && chance.one_in(2)) {
    settings.on_dead = delivery::OnDead::block;
    habits.rejection_blocks = true;
  }
  plan.has_app = chance.one_in(3);
  return plan;
}

}  // namespace

std::size_t DestinationPlan::open_events_max() const {
  const auto in_flight = static_cast<std::size_t>(settings.in_flight_max);
  const auto batch = static_cast<std::size_t>(settings.batch.events);
  const std::size_t read_together = settings.order == delivery::Order::key ? batch * in_flight : batch;
  const std::size_t live = std::max<std::size_t>(16, 4 * in_flight) * read_together;
  return live + std::max<std::size_t>(1, in_flight / 2) * batch + batch;
}

Settings draw_settings(Chance& chance) {
  Settings settings;
  settings.partitions = chance.between(1, 4);
  settings.workers_max = std::min(settings.partitions, chance.between(1, 3));
  settings.segment = Bytes{static_cast<std::uint64_t>(chance.one_in(3) ? 1 << 20 : chance.between(300, 2500))};
  settings.recent = chance.one_in(3) ? Bytes{0} : 1_MiB;
  settings.overlapping_commits = chance.one_in(2);
  settings.commit.within = Duration{chance.between(20, 200)};
  if (!settings.overlapping_commits) {
    settings.commit.events = static_cast<std::size_t>(chance.between(1, 20));
    // A request always fits, however often its events are split; two may not.
    if (chance.one_in(2)) settings.commit.record_events = static_cast<std::size_t>(chance.between(15, 20));
  }
  const int destinations = chance.between(1, static_cast<int>(kDestinationNames.size()));
  for (int i = 0; i < destinations; ++i)
    settings.destinations.push_back(draw_destination(kDestinationNames[static_cast<std::size_t>(i)], chance));
  if (chance.one_in(2)) settings.destinations.front().settings.events = {"pur*", "split"};
  settings.clients = chance.between(1, 4);
  if (chance.one_in(2)) settings.feed_partitions = static_cast<std::size_t>(chance.between(1, 2));
  settings.steps = chance.between(40, 200);
  settings.cuts_to_the_end = chance.one_in(3);
  settings.kills_max = chance.between(0, 3);
  if (chance.one_in(3)) settings.memory = static_cast<std::size_t>(chance.between(1, 4000));
  return settings;
}

}  // namespace penstock::simulation
