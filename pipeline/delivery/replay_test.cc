// A stretch of the log once more, beside what is live.
#include "pipeline/delivery/replay.h"

#include <doctest/doctest.h>

#include "pipeline/delivery/moment.h"
#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

ReplayOrder order_of(Rig& rig, Timestamp from, int rate = 0) {
  ReplayOrder order;
  order.next = rig.log.offsets_at(LogName::events, from).value();
  order.to = rig.log.end(LogName::events);
  order.rate = rate;
  order.total = order.left();
  return order;
}

void replay(Rig& rig, const ReplayOrder& order, When where = {}) {
  REQUIRE(rig.store->save_replay("crm", order, Sync::yes));
  rig.runner->replay(order, std::move(where));
  rig.executor.run_ready();
}

bool in_store(Rig& rig) { return rig.store->replay("crm").value().has_value(); }

}  // namespace

TEST_CASE("places in the log as people say them") {
  const Timestamp now{1'760'000'000'000};
  CHECK(read_moment("now", now).value() == Moment{});
  CHECK(read_moment("earliest", now).value() == Moment{Moment::Kind::earliest, {}});
  CHECK(read_moment("2h", now).value() == Moment{Moment::Kind::time, {now.ms - 7'200'000}});
  CHECK(read_moment("7d", now).value() == Moment{Moment::Kind::time, {now.ms - 604'800'000}});
  CHECK(read_moment("2026-08-01T10:00:00Z", now).value() == Moment{Moment::Kind::time, {1'785'578'400'000}});
  for (const auto* wrong : {"", "h", "2", "-2h", "2w", "yesterday", "99999999999h", "2h "}) {
    CAPTURE(wrong);
    CHECK_FALSE(read_moment(wrong, now));
  }
}

TEST_CASE("an order is stored as it is, and nothing else is read as one") {
  const ReplayOrder order{.next = {1, 2}, .to = {3, 400}, .where = "event.a == 1", .rate = 50, .total = 400};
  const std::string stored = encode(order);
  CHECK(decode_replay(stored).value() == order);
  for (std::size_t cut = 0; cut < stored.size(); ++cut) CHECK_FALSE(decode_replay(stored.substr(0, cut)));
  CHECK_FALSE(decode_replay(stored + "x"));
}

TEST_CASE("a stretch that cannot be read is the replay's trouble, named with what ends it; what is live goes on") {
  Rig rig;
  rig.start();
  rig.add(3);
  rig.pass_within();
  rig.log.damage_events(0, {ErrorKind::corrupt, "events/0001.seg at byte 7: it is damaged; move it away"});
  replay(rig, order_of(rig, Timestamp{0}));
  CHECK(rig.health() == Health::healthy);
  CHECK(
      rig.runner->status().replay_stopped ==
      "cannot read the log (events/0001.seg at byte 7: it is damaged); `penstock replay crm --cancel` ends it, and one with "
      "a later --from passes the place by");
  CHECK(rig.runner->status().replay_left);
  rig.add(1);
  rig.advance(rig.settings.batch.within + Duration{1});
  CHECK(rig.runner->status().lag_events == 0);
  rig.advance(Duration{60'000});
  CHECK(rig.runner->status().replay_left);
  rig.log.mend_events();
  rig.advance(Duration{20'000});
  CHECK(rig.crm.delivered().size() == 7);
  CHECK(rig.runner->status().replay_stopped.empty());
  CHECK_FALSE(in_store(rig));
}

TEST_CASE("a replay that retention overtakes says that, not that the log is unreadable, and goes on") {
  Rig rig;
  rig.start();
  rig.add(3);
  rig.pass_within();
  rig.log.damage_events(0, {ErrorKind::not_found, "events/0001.seg was removed by retention while it was read"});
  replay(rig, order_of(rig, Timestamp{0}));
  CHECK(rig.runner->status().replay_stopped == "was overtaken by retention, and goes on with the oldest event that is kept");
  rig.log.mend_events();
  rig.advance(Duration{20'000});
  CHECK(rig.runner->status().replay_stopped.empty());
  CHECK(rig.crm.delivered().size() == 6);
}

TEST_CASE("events on which the condition of a replay fails are not sent, and counted") {
  Rig rig;
  rig.start();
  rig.add(10);
  rig.pass_within();
  auto order = order_of(rig, Timestamp{0}, 1);
  order.where = "error()";
  replay(rig, order, [](std::string_view body, const Facts&) -> Result<bool> {
    if ((body[body.size() - 2] - '0') % 2 == 0) return fail(ErrorKind::invalid, "it said error");
    return true;
  });
  rig.advance(Duration{1500});
  CHECK(rig.runner->status().replay_undecided > 0);
  rig.advance(Duration{10'000});
  CHECK(rig.crm.delivered().size() == 15);
  CHECK(rig.dead().empty());
  CHECK_FALSE(in_store(rig));
}

TEST_CASE("a replay that retention overtakes says how many events it has lost, and holds what it needs") {
  Rig rig;
  rig.settings.batch.within = Duration{10};
  rig.start();
  for (int i = 0; i < 6; ++i) rig.add(10);
  rig.advance(Duration{20});
  auto order = order_of(rig, Timestamp{0}, 1);
  rig.runner->pause("");
  replay(rig, order);
  for (int i = 0; i < 4; ++i) rig.add(10);
  const auto stored = rig.store->replay("crm");
  REQUIRE((stored && *stored));
  CHECK(events_between((*stored)->needs(rig.runner->status().cursor), order.to) == 60);
  rig.log.drop_records_before(LogName::events, 4);
  rig.advance(Duration{1001});
  CHECK(rig.runner->status().replay_skipped == 40);
  CHECK(rig.runner->status().replay_left == 20);
  CHECK(rig.runner->status().skipped == 0);
  rig.runner->resume();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().size() == 60 + 40 + 20);
  CHECK_FALSE(rig.runner->status().replay_left);
  CHECK_FALSE(in_store(rig));
  CHECK(rig.runner->status().cursor == rig.log.end(LogName::events));
}

TEST_CASE("a replay sends what lies between two times once more, says so, and leaves the cursor alone") {
  Rig rig;
  std::vector<std::string> replayed;
  rig.crm.answer_with([&](const Batch& batch) {
    for (const EventView& event : batch.events)
      if (event.replayed) replayed.emplace_back(event.body);
    return Outcomes::all(Outcome::delivered());
  });
  rig.start();
  rig.add(5);
  rig.advance(Duration{60'000});
  const Timestamp middle = rig.clock.now();
  rig.add(5);
  rig.advance(Duration{60'000});
  const auto order = order_of(rig, middle);
  rig.add(5);
  rig.pass_within();
  REQUIRE(rig.crm.delivered().size() == 15);
  replay(rig, order);
  rig.pass_within();
  CHECK(replayed == bodies(6, 10));
  CHECK(rig.crm.delivered().size() == 20);
  CHECK_FALSE(rig.runner->status().replay_left);
  CHECK_FALSE(in_store(rig));
  CHECK(rig.everything_settled());
  CHECK(rig.crm.violations().empty());
}

TEST_CASE("a replay keeps its rate while live events are not held up") {
  Rig rig;
  rig.settings.batch.within = Duration{10};
  rig.start();
  rig.add(1000);
  rig.advance(Duration{20});
  REQUIRE(rig.crm.delivered().size() == 1000);
  replay(rig, order_of(rig, Timestamp{0}, 100));
  rig.advance(Duration{2000});
  const auto after_two = rig.crm.delivered().size();
  CHECK(after_two >= 1200);
  CHECK(after_two <= 1400);
  REQUIRE(rig.runner->status().replay_left);
  CHECK(*rig.runner->status().replay_left >= 600);
  rig.add(50);
  rig.advance(Duration{20});
  CHECK(rig.crm.delivered().size() >= after_two + 50);
  CHECK(rig.runner->status().lag_events == 0);
  rig.advance(Duration{10'000});
  CHECK(rig.crm.delivered().size() == 2050);
  CHECK_FALSE(in_store(rig));
}

TEST_CASE("a replay takes only what its condition wants, and goes on after a crash") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.add(100);
  rig.pass_within();
  auto order = order_of(rig, Timestamp{0}, 10);
  order.where = "even";
  const auto even = [](std::string_view body, const Facts&) -> Result<bool> {
    return (body[body.size() - 2] - '0') % 2 == 0;
  };
  replay(rig, order, even);
  rig.advance(Duration{3000});
  const auto before = rig.crm.delivered().size();
  CHECK(before > 110);
  CHECK(before < 150);
  rig.crash();
  const auto stored = rig.store->replay("crm").value();
  REQUIRE(stored);
  CHECK(stored->where == "even");
  CHECK(stored->left() < 100);
  rig.start();
  rig.runner->replay(*stored, even);
  rig.advance(Duration{20'000});
  auto delivered = rig.crm.delivered();
  CHECK(delivered.size() >= 150);
  CHECK(delivered.size() <= 150 + 20);  // a second of it may come twice
  CHECK_FALSE(in_store(rig));
}

TEST_CASE("a replay that is ended sends nothing more, and an event that it kills is a dead letter") {
  Rig rig;
  rig.settings.batch.within = Duration{10};
  rig.start();
  rig.add(100);
  rig.advance(Duration{20});
  replay(rig, order_of(rig, Timestamp{0}, 10));
  rig.advance(Duration{2000});
  rig.runner->end_replay();
  rig.executor.run_ready();
  CHECK_FALSE(in_store(rig));
  const auto then = rig.crm.delivered().size();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().size() == then);

  rig.crm.answer_with(refuse(body_of(42)));
  replay(rig, order_of(rig, Timestamp{0}));
  rig.advance(Duration{1000});
  CHECK(rig.dead_bodies() == std::vector{body_of(42)});
  CHECK_FALSE(in_store(rig));
  CHECK(rig.everything_settled());
}

TEST_CASE("a replay that was called off leaves nothing that the next one could stumble over") {
  Rig rig;
  rig.settings.batch.events = 10;
  rig.start();
  rig.add(100);
  rig.pass_within();
  const auto order = order_of(rig, Timestamp{0});
  rig.crm.cork();  // two writes of it in flight,
  replay(rig, order);
  rig.runner->end_replay();
  rig.executor.run_ready();
  rig.crm.answer_with([](const Batch&) { return Outcomes::all(unavailable()); });
  rig.crm.uncork();  // and answered when the next one is there
  replay(rig, order);
  rig.advance(Duration{60'000});
  rig.runner->end_replay();
  rig.executor.run_ready();
  replay(rig, order);  // the last one's were waiting for the outage to end
  rig.crm.deliver_everything();
  rig.advance(Duration{60'000});
  CHECK(rig.crm.delivered().size() == 200);
  CHECK_FALSE(rig.runner->status().replay_left);
  CHECK(rig.crm.violations().empty());
}

}  // namespace penstock::delivery
