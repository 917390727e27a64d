// `order: key`: what is of one distinct id arrives in the order of the log.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "pipeline/delivery/key_lanes.h"
#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

std::size_t id_of(const std::string& body, int distinct_ids) {
  const std::size_t at = body.find("\"n\":") + 4;
  return static_cast<std::size_t>((std::stoi(body.substr(at)) - 1) % distinct_ids);
}

int number_of(const std::string& body) { return std::stoi(body.substr(body.find("\"n\":") + 4)); }

// Every event but the dead ones once, those of one id in rising order.
void check_order(Rig& rig) {
  std::map<std::size_t, int> last;
  for (const auto& body : rig.crm.delivered()) {
    int& before = last[id_of(body, rig.distinct_ids)];
    CHECK_MESSAGE(number_of(body) > before, body, " after ", before);
    before = number_of(body);
  }
  CHECK(rig.crm.delivered().size() + rig.dead().size() == static_cast<std::size_t>(rig.added));
}

// No two writes under way have an id in common.
void check_in_flight(Rig& rig) {
  const auto submitted = rig.crm.submitted();
  std::set<std::size_t> seen;
  for (std::size_t i = submitted.size() - rig.crm.in_flight(); i < submitted.size(); ++i) {
    std::set<std::size_t> own;
    for (const auto& body : submitted[i]) own.insert(id_of(body, rig.distinct_ids));
    for (const auto id : own) CHECK(seen.insert(id).second);
  }
}

// What a receiver answers that takes events one by one, and nothing more of an id when it did not take one of it: the kinds of failure
// differ within one write.
Outcomes mixed(std::mt19937_64& random, const Batch& batch) {
  Outcomes each;
  std::set<std::string_view> failed;
  const auto often = random() % 3 + 1;
  for (const auto& event : batch.events) {
    const auto id = event.facts.distinct_id;
    if (!failed.contains(id) && random() % 4 >= often) {
      each.each.push_back(Outcome::delivered());
      continue;
    }
    failed.insert(id);
    Outcome failure = random() % 2 == 0 ? retry() : unavailable();
    if (failure.kind == Outcome::Kind::unavailable)
      (random() % 2 == 0 ? failure.untried : failure.limited) = random() % 3 == 0;
    each.each.push_back(std::move(failure));
  }
  return each;
}

void a_random_run(std::uint64_t seed) {
  INFO("seed ", seed, " (run it alone with PENSTOCK_SEED)");
  std::mt19937_64 random(seed);
  Rig rig;
  rig.settings.order = Order::key;
  rig.settings.batch.events = static_cast<int>(1 + random() % 30);
  rig.settings.in_flight_max = static_cast<int>(1 + random() % 6);
  rig.settings.retry.attempts_max = static_cast<int>(1 + random() % 4);
  rig.distinct_ids = static_cast<int>(1 + random() % 40);
  rig.crm.answer_with([&](const Batch& batch) {
    const bool guilty =
        std::ranges::any_of(batch.events, [](const auto& e) { return std::hash<std::string_view>()(e.body) % 60 == 0; });
    switch (random() % 8) {
      case 0: return Outcomes::all(unavailable());
      case 1: return Outcomes::all(retry());
      case 2: return mixed(random, batch);
      default: return Outcomes::all(guilty ? rejected() : Outcome::delivered());
    }
  });
  rig.start();
  for (int step = 0; step < 60; ++step) {
    switch (random() % 6) {
      case 0: rig.add(static_cast<int>(1 + random() % 100)); break;
      case 1: rig.crm.cork(); break;
      case 2: rig.crm.uncork(); break;
      case 3:
        if (rig.crm.in_flight() > 0) rig.crm.answer_one();
        break;
      default: rig.advance(Duration{static_cast<int>(random() % 1000)}); break;
    }
    rig.executor.run_ready();
    check_in_flight(rig);
  }
  rig.crm.uncork();
  rig.runner->hurry();
  for (int i = 0; i < 200 && !rig.everything_settled(); ++i) rig.advance(std::chrono::minutes(1));
  REQUIRE(rig.everything_settled());
  check_order(rig);
  CHECK(rig.crm.violations().empty());
  CHECK(rig.crm.in_flight_high() <= static_cast<std::size_t>(rig.settings.in_flight_max));
}

}  // namespace

TEST_CASE("keys are spread over lanes, also those of one partition of the log") {
  std::set<std::uint16_t> lanes;
  std::array<int, 4> groups{};
  for (int i = 0; i < 4000; ++i) {
    const std::string id = "u" + std::to_string(i);
    Facts facts;
    facts.distinct_id = id;
    if (partition_of(facts, 16) != 3) continue;
    const auto lane = key_lane_of(facts);
    CHECK(lane == key_lane_of(facts));
    REQUIRE(lane < KeyLanes().size());
    lanes.insert(lane);
    ++groups[lane % groups.size()];
  }
  CHECK(lanes.size() > 150);  // of about 250 keys
  for (const int group : groups) CHECK(group > 30);
}

TEST_CASE("with an order whatever the destination answers, events of one id arrive as they stand in the log") {
  if (const char* given = std::getenv("PENSTOCK_SEED")) return a_random_run(std::strtoull(given, nullptr, 10));
  const std::uint64_t first = std::random_device()();
  const std::uint64_t runs = std::getenv("PENSTOCK_TEST_LONG") != nullptr ? 160 : 16;
  for (std::uint64_t i = 0; i < runs; ++i) a_random_run(first + i);
}

TEST_CASE("events of one id that fail differently in one write go again as they stand in the log") {
  struct Case {
    std::string what;
    int distinct_ids;
    int tried_again;  // how often all of it was, before
    std::vector<Outcome> answer;
  };
  Outcome limited = unavailable();
  limited.limited = true;
  for (const auto& [what, distinct_ids, tried_again, answer] : std::vector<Case>{
           {"one waits between two that are held", 1, 0, {unavailable(), retry(), unavailable()}},
           {"the same of what is set aside", 1, 1, {unavailable(), retry(), unavailable()}},
           {"the same when it is held", 1, 1, {limited, retry(), limited}},
           {"the last one stands behind one of another id", 2, 0, {retry(), unavailable(), retry(), retry()}},
           {"the last one stands behind one of another id, set aside",
            2,
            1,
            {unavailable(), retry(), retry(), unavailable()}},
       }) {
    CAPTURE(what);
    Rig rig;
    rig.settings.order = Order::key;
    rig.settings.in_flight_max = 1;
    rig.distinct_ids = distinct_ids;
    int answers = 0;
    rig.crm.answer_with([&](const Batch& batch) {
      if (answers++ < tried_again) return Outcomes::all(retry());
      if (answers == tried_again + 1 && batch.events.size() == answer.size()) return Outcomes{answer};
      return Outcomes::all(Outcome::delivered());
    });
    rig.start();
    rig.add(static_cast<int>(answer.size()));
    for (int i = 0; i < 20; ++i) rig.advance(std::chrono::minutes(1));
    CHECK(answers > tried_again + 1);
    check_order(rig);
  }
}

TEST_CASE("an event that is tried again holds up its own key and no other") {
  Rig rig;
  rig.settings.order = Order::key;
  rig.settings.batch = {.events = 4, .bytes = 1_MiB, .within = Duration{10}};
  rig.settings.retry = {.attempts_max = 1000, .age_max = Duration{86'400'000}, .wait_min = Duration{1000}};
  rig.distinct_ids = 20;
  const auto busy_id = "\"n\":5}";  // of the id "u5", as are 25, 45, …
  rig.crm.answer_with([&](const Batch& batch) {
    Outcomes each;
    for (const auto& event : batch.events)
      each.each.push_back(event.body.ends_with(busy_id) ? retry() : Outcome::delivered());
    return each;
  });
  rig.start();
  for (int i = 0; i < 5; ++i) {
    rig.add(20);
    rig.advance(Duration{20});
  }
  const auto before = rig.crm.delivered();
  CHECK(before.size() == 95);
  CHECK(std::ranges::none_of(before, [&](const auto& body) { return id_of(body, 20) == 4; }));
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  check_order(rig);
}

TEST_CASE("a dead letter lets the later ones of its key go") {
  Rig rig;
  rig.settings.order = Order::key;
  rig.settings.batch.events = 2;
  rig.crm.answer_with(refuse(body_of(1)));
  rig.start();
  rig.add(6);
  rig.pass_within();
  CHECK(rig.dead_bodies() == std::vector{body_of(1)});
  CHECK(rig.crm.delivered() == bodies(2, 6));
}

TEST_CASE("with an order as many writes are under way as without, when there are enough keys") {
  Rig rig;
  rig.settings.order = Order::key;
  rig.settings.in_flight_max = 4;
  rig.settings.batch.events = 10;
  rig.distinct_ids = 1000;
  rig.start();
  rig.crm.cork();
  rig.add(1000);
  CHECK(rig.crm.in_flight() == 4);
  rig.crm.uncork();
  rig.pass_within();
  CHECK(rig.crm.delivered().size() == 1000);
}

}  // namespace penstock::delivery
