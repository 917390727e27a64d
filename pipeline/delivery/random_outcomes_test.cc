#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

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
    case 5: {
      Outcomes each;  // nothing goes, for several reasons
      for (const auto& event : batch.events) {
        each.each.push_back(guilty(event) ? rejected() : random() % 2 == 0 ? retry() : unavailable());
        if (each.each.back().kind == Outcome::Kind::unavailable) each.each.back().untried = random() % 3 == 0;
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
  rig.start([&](std::string_view body, const Facts&) -> Result<bool> {
    if (body.ends_with("77}")) return fail(ErrorKind::invalid, "nil");
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

int number_of(std::string_view body) {
  const auto at = body.find("\"n\":") + 4;
  return std::stoi(std::string(body.substr(at)));
}

// Of five events apps drop one, make three of one, and fail on one until they are mended.
std::vector<std::string> made_of(std::string_view body) {
  switch (number_of(body) % 5) {
    case 0: return {};
    case 1: return {std::string(body), std::string(body) + " ", std::string(body) + "  "};
    case 2: return {std::string(body) + "   "};
    default: return {std::string(body)};
  }
}

void send_all_again(Rig& rig) {
  REQUIRE(rig.store->want_again(dead::Filter{}));
  rig.runner->send_again();
  rig.executor.run_ready();
}

void a_life_with_apps(Rig& rig, Random& random, fakes::FakeApps& apps) {
  rig.start(apps);
  for (int step = 0; step < 40; ++step) {
    switch (random() % 7) {
      case 0: rig.add(static_cast<int>(1 + random() % 60)); break;
      case 1: rig.crm.cork(); break;
      case 2: rig.crm.uncork(); break;
      case 3: send_all_again(rig); break;
      case 4: apps.hold = !apps.hold; break;
      default: rig.advance(Duration{static_cast<int>(random() % 3000)}); break;
    }
    rig.executor.run_ready();
  }
}

void a_random_run_with_apps(std::uint64_t seed) {
  INFO("seed ", seed, " (run it alone with PENSTOCK_SEED)");
  Random random(seed);
  Rig rig;
  rig.settings.batch.events = static_cast<int>(1 + random() % 20);
  rig.settings.in_flight_max = static_cast<int>(1 + random() % 5);
  rig.settings.order = random() % 2 == 0 ? Order::key : Order::none;
  rig.distinct_ids = static_cast<int>(1 + random() % 50);
  rig.settings.retry.attempts_max = static_cast<int>(1 + random() % 6);
  rig.crm.answer_with([&](const Batch& batch) { return moody(random, batch); });
  fakes::FakeApps apps;
  apps.make_of = [](std::string_view body) -> Result<std::vector<std::string>> {
    if (number_of(body) % 5 == 3) return fail(ErrorKind::invalid, "nil");
    return made_of(body);
  };
  const auto lives = 1 + random() % 3;
  for (std::uint64_t life = 0; life < lives; ++life) {
    a_life_with_apps(rig, random, apps);
    if (life + 1 < lives) rig.crash();
  }
  apps.hold = false;
  rig.crm.uncork();
  for (int i = 0; i < 200 && !rig.everything_settled(); ++i) rig.advance(std::chrono::minutes(1));
  REQUIRE(rig.everything_settled());
  const auto letters = rig.dead_bodies();
  const std::set<std::string> died(letters.begin(), letters.end());
  CHECK(died.size() == letters.size());  // of each event one
  for (int i = 1; i <= rig.added; ++i) {
    if (i % 5 == 3) REQUIRE(died.contains(body_of(i)));
    if (i % 5 == 0) REQUIRE_FALSE(died.contains(body_of(i)));
  }

  // Mended, and with a receiver that takes everything, nothing is missing.
  apps.make_of = made_of;
  rig.crm.deliver_everything();
  for (int i = 0; i < 100 && !rig.dead().empty(); ++i) {
    send_all_again(rig);
    rig.advance(std::chrono::minutes(1));
  }
  REQUIRE(rig.dead().empty());
  CHECK(rig.crm.violations().empty());
  std::map<std::string, int> delivered;
  for (const auto& body : rig.crm.delivered()) ++delivered[body];
  std::size_t expected = 0;
  for (int i = 1; i <= rig.added; ++i) {
    for (const auto& part : made_of(body_of(i))) {
      CAPTURE(part);
      ++expected;
      REQUIRE(delivered[part] >= 1);
    }
  }
  CHECK(delivered.size() == expected);
}

// Each takes half a second with sanitizers, and as much longer as the machine is busy.
std::uint64_t runs(std::uint64_t usual) { return std::getenv("PENSTOCK_TEST_LONG") != nullptr ? 10 * usual : usual; }

}  // namespace

TEST_CASE("whatever the destination answers, every event ends delivered or dead") {
  if (const char* given = std::getenv("PENSTOCK_SEED")) return a_random_run(std::strtoull(given, nullptr, 10));
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t i = 0; i < runs(16); ++i) a_random_run(first + i);
}

TEST_CASE("whatever apps make of events, and wherever it dies, all of it is delivered in the end") {
  if (const char* given = std::getenv("PENSTOCK_SEED")) return a_random_run_with_apps(std::strtoull(given, nullptr, 10));
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t i = 0; i < runs(8); ++i) a_random_run_with_apps(first + i);
}

}  // namespace penstock::delivery
