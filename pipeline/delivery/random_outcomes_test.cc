#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

using Random = std::mt19937_64;

// A receiver with moods: mostly well, sometimes it fails, answers in part, limits, or counts wrongly. One event in fifty is
// guilty and never goes.
Outcomes moody(Random& random, const Batch& batch) {
  const auto guilty = [](const EventView& event) { return std::hash<std::string_view>()(event.body) % 50 == 0; };
  const bool any_guilty = std::ranges::any_of(batch.events, guilty);
  switch (random() % 12) {
    case 0: return Outcomes::all(unavailable());
    case 1:
      return Outcomes::all(outcome(Outcome::Kind::unavailable, "http_429", Duration{static_cast<int>(random() % 5000)}));
    case 2: return Outcomes::all(retry());
    case 3: return Outcomes{std::vector<Outcome>(batch.events.size() + 1)};
    case 4: {
      Outcomes each;
      for (const auto& event : batch.events) {
        each.each.push_back(guilty(event)        ? rejected()
                            : random() % 10 == 0 ? retry()
                            : random() % 30 == 0 ? unavailable()
                                                 : Outcome::delivered());
      }
      return each;
    }
    default: return Outcomes::all(any_guilty ? rejected() : Outcome::delivered());
  }
}

// What one run saw of each event, over all its lives.
struct Tally {
  std::map<std::string, int> delivered;
  std::map<std::string, int> dead;
};

void one_life(Rig& rig, Random& random) {
  rig.start([&](const json::ObjectIndex& body, const Facts&) -> Result<bool> {
    if (body.text().ends_with("77}")) return fail(ErrorKind::invalid, "nil");
    return true;
  });
  for (int step = 0; step < 40; ++step) {
    switch (random() % 6) {
      case 0: rig.add(static_cast<int>(1 + random() % 120)); break;
      case 1: rig.crm.cork(); break;
      case 2: rig.crm.uncork(); break;
      case 3: rig.log.fail_next_read({ErrorKind::io, "disk"}); break;
      default: rig.advance(Duration{static_cast<int>(random() % 3000)}); break;
    }
    rig.executor.run_ready();
  }
}

void a_random_run(std::uint64_t seed) {
  INFO("seed ", seed, " (run it alone with PENSTOCK_SEED)");
  Random random(seed);
  Rig rig;
  rig.settings.batch.events = static_cast<int>(1 + random() % 40);
  rig.settings.in_flight_max = static_cast<int>(1 + random() % 5);
  rig.settings.order = random() % 2 == 0 ? Order::key : Order::none;
  rig.distinct_ids = static_cast<int>(1 + random() % 50);
  rig.settings.retry.attempts_max = static_cast<int>(1 + random() % 6);
  rig.crm.answer_with([&](const Batch& batch) { return moody(random, batch); });
  const auto lives = 1 + random() % 3;
  for (std::uint64_t life = 0; life < lives; ++life) {
    one_life(rig, random);
    if (life + 1 < lives) rig.crash();
  }
  rig.crm.uncork();
  rig.runner->hurry();
  for (int i = 0; i < 200 && !rig.everything_settled(); ++i) rig.advance(std::chrono::minutes(1));
  REQUIRE(rig.everything_settled());
  bool stopped = false;
  rig.runner->stop(Duration{1000}, [&] { stopped = true; });
  rig.executor.run_ready();
  CHECK(stopped);
  CHECK(rig.store->cursor("crm").value()->next == rig.log.end(LogName::events));
  CHECK(rig.crm.violations().empty());
  CHECK(rig.crm.in_flight_high() <= static_cast<std::size_t>(rig.settings.in_flight_max));

  Tally tally;
  for (const auto& body : rig.crm.delivered()) ++tally.delivered[body];
  for (const auto& body : rig.dead_bodies()) ++tally.dead[body];
  for (int i = 1; i <= rig.added; ++i) {
    const auto body = body_of(i);
    CAPTURE(body);
    const int delivered = tally.delivered[body];
    const int dead = tally.dead[body];
    REQUIRE(delivered + dead >= 1);
    if (lives == 1) REQUIRE(delivered + dead == 1);  // without a crash not even twice
  }
}

}  // namespace

TEST_CASE("whatever the destination answers, every event ends delivered or dead") {
  if (const char* given = std::getenv("PENSTOCK_SEED")) return a_random_run(std::strtoull(given, nullptr, 10));
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t i = 0; i < 40; ++i) a_random_run(first + i);
}

}  // namespace penstock::delivery
