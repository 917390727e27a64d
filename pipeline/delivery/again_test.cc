// Dead letters that are sent again: to this destination alone, beside what is live, and across restarts.
#include <doctest/doctest.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

constexpr auto reject_all = [](const Batch&) { return Outcomes::all(rejected()); };

// A destination with `count` dead letters and nothing else to do.
void kill_some(Rig& rig, int count) {
  rig.crm.answer_with(reject_all);
  rig.start();
  rig.add(count);
  rig.pass_within();
  REQUIRE(rig.dead().size() == static_cast<std::size_t>(count));
}

void want(Rig& rig, const dead::Filter& filter = {}) {
  REQUIRE(rig.store->want_again(filter));
  rig.runner->send_again();
  rig.executor.run_ready();
}

void discard_all(Rig& rig) {
  std::vector<std::string> ids;
  for (const auto& letter : rig.dead()) ids.push_back(dead_letter_id(letter));
  REQUIRE(rig.store->discard(ids).has_value());
  rig.runner->letters_discarded();
  rig.executor.run_ready();
}

std::uint64_t wanted(Rig& rig) { return rig.store->count_wanted("crm", 1'000'000).value(); }

}  // namespace

TEST_CASE("letters that are replayed are delivered with their bytes and facts, and are letters no more") {
  Rig rig;
  kill_some(rig, 25);
  rig.settings.batch.events = 10;
  std::vector<std::string> seen;
  rig.crm.answer_with([&](const Batch& batch) {
    for (const EventView& event : batch.events)
      seen.push_back(std::string(event.facts.event) + " " + std::string(event.facts.distinct_id));
    return Outcomes::all(Outcome::delivered());
  });
  want(rig);
  auto delivered = rig.crm.delivered();
  std::ranges::sort(delivered);
  auto expected = bodies(1, 25);
  std::ranges::sort(expected);
  CHECK(delivered == expected);
  CHECK(seen == std::vector<std::string>(25, "signup u1"));
  CHECK(rig.dead().empty());
  CHECK(wanted(rig) == 0);
  CHECK(rig.crm.violations().empty());
  // What is live goes on as before.
  rig.add(5);
  rig.pass_within();
  CHECK(rig.crm.delivered().size() == 30);
  CHECK(rig.everything_settled());
}

TEST_CASE("letters that are discarded while they wait in the window are not sent any more") {
  Rig rig;
  kill_some(rig, 5);
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  want(rig);
  rig.advance(Duration{10'000});
  discard_all(rig);
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().empty());
  CHECK(rig.dead().empty());
  CHECK(wanted(rig) == 0);
  CHECK(rig.everything_settled());
}

TEST_CASE("letters that are discarded while they are in flight do not come back when they are refused") {
  Rig rig;
  kill_some(rig, 5);
  rig.crm.cork();
  want(rig);
  REQUIRE(rig.crm.in_flight() == 1);
  const auto writes = rig.crm.submitted().size();
  discard_all(rig);
  rig.crm.uncork();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.submitted().size() == writes);  // nor are their halves tried
  CHECK(rig.dead().empty());
  CHECK(rig.everything_settled());
}

TEST_CASE("a destination is not settled while it has letters to send again, or a replay") {
  Rig rig;
  kill_some(rig, 3);
  CHECK(rig.everything_settled());
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  want(rig);
  CHECK_FALSE(rig.everything_settled());
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  CHECK(rig.everything_settled());
  ReplayOrder order;
  order.next = Offsets(4, 0);
  order.to = rig.log.end(LogName::events);
  order.rate = 1;
  order.total = order.left();
  REQUIRE(rig.store->save_replay("crm", order, Sync::yes));
  rig.runner->replay(order, {});
  rig.executor.run_ready();
  CHECK_FALSE(rig.everything_settled());
  rig.advance(Duration{60'000});
  CHECK(rig.everything_settled());
}

TEST_CASE("letters are sent again beside a backlog that does not end") {
  Rig rig;
  kill_some(rig, 5);
  rig.settings.batch.events = 10;
  rig.settings.in_flight_max = 1;
  rig.runner.reset();
  rig.crm.deliver_everything();
  rig.crm.cork();
  rig.start();
  rig.add(1000);
  want(rig);
  for (int answers = 0; answers < 10; ++answers) {
    rig.crm.answer_one();
    rig.executor.run_ready();
  }
  CHECK(rig.dead().empty());
  CHECK_FALSE(rig.everything_settled());
}

TEST_CASE("a letter that dies again stays, with what is new about it, and is wanted no more") {
  Rig rig;
  kill_some(rig, 4);
  const Timestamp first = rig.dead()[0].first_at;
  rig.advance(Duration{60'000});
  rig.crm.answer_with(refuse(body_of(3)));
  want(rig);
  rig.executor.run_ready();
  REQUIRE(rig.dead_bodies() == std::vector{body_of(3)});
  const DeadLetter letter = rig.dead()[0];
  CHECK(letter.first_at == first);
  CHECK(letter.last_at.ms >= first.ms + 60'000);
  CHECK(letter.attempts >= 2);
  CHECK(wanted(rig) == 0);
}

TEST_CASE("a replay waits for an outage to end, and makes no dead letters of it") {
  Rig rig;
  kill_some(rig, 10);
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  want(rig);
  rig.advance(Duration{3'600'000});
  CHECK(rig.dead().size() == 10);
  CHECK(wanted(rig) == 10);
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  CHECK(rig.dead().empty());
}

TEST_CASE("after a crash a replay goes on where it was") {
  Rig rig;
  kill_some(rig, 30);
  rig.settings.batch.events = 10;
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  want(rig);
  rig.crash();
  rig.crm.deliver_everything();
  rig.start();
  rig.pass_within();
  CHECK(rig.dead().empty());
  auto delivered = rig.crm.delivered();
  std::ranges::sort(delivered);
  CHECK(std::ranges::unique(delivered).begin() - delivered.begin() == 30);
}

TEST_CASE("only letters that the filter names are replayed, and discarded ones are not") {
  Rig rig;
  kill_some(rig, 6);
  const auto listed = rig.store->dead_letters().list({}, {}).value();
  rig.crm.deliver_everything();
  want(rig, {.stage = "other", .code = {}, .since = {}});
  CHECK(rig.crm.delivered().empty());
  REQUIRE(rig.store->want_again(std::vector{listed[0].id, listed[1].id, std::string("nonsense")}).value() == 2);
  REQUIRE(rig.store->discard(std::vector{listed[1].id}));
  rig.runner->send_again();
  rig.executor.run_ready();
  CHECK(rig.crm.delivered() == std::vector{listed[0].letter.body});
  CHECK(rig.dead().size() == 4);
}

}  // namespace penstock::delivery
