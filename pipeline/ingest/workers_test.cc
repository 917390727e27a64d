// Several workers, and another number of them after a restart: what an outsider sees is what one would have made.

#include "pipeline/ingest/workers.h"

#include <thread>

#include "pipeline/ingest/workers_rig.h"

namespace penstock::ingest {

TEST_CASE("each event is in the log once, in the order of its distinct id and counted so, whatever the number of workers") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  for (const std::size_t count : {1U, 2U, 3U, 16U}) {
    CAPTURE(count);
    std::mt19937_64 random(seed);
    WorkersRig rig;
    const auto workers = rig.workers(count);
    for (auto& file : rig.files) file.finite = false;
    for (int i = 0; i < 200; ++i) {
      rig.send_something(random);
      REQUIRE(workers->worker(random() % count).step());
    }
    for (auto& file : rig.files) file.finite = true;
    rig.run_until_idle(*workers);
    rig.clock.advance(Duration(1'000));  // after which positions alone are committed
    rig.step_all(*workers, 3);
    rig.check_all_there_once_in_order();
    CHECK(workers->caught_up());
    CHECK(workers->counts().kept == rig.bodies().size());
    CHECK(workers->captured_committed() == rig.log.next_sequence(LogName::captured));
  }
}

TEST_CASE("nothing is lost or doubled when every life has another number of workers, also with refused commits") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  WorkersRig rig;
  for (const std::size_t count : {4U, 1U, 16U, 2U, 3U, 1U, 4U}) {
    auto workers = rig.workers(count, 1 + random() % 20);
    for (int i = 0; i < 60; ++i) {
      if (random() % 2 == 0) rig.send_something(random);
      REQUIRE(workers->worker(random() % count).step());
    }
    rig.log.cork();
    rig.step_all(*workers, 1);
    if (rig.log.pending_bytes() > 0) rig.log.refuse_next_append({ErrorKind::unavailable, "the disk is full"});
    rig.log.uncork();  // killed before anybody has heard what became of the commits in flight
  }
  const auto workers = rig.workers(2);
  rig.run_until_idle(*workers);
  rig.check_all_there_once_in_order();
}

TEST_CASE("a shard that comes knows what was committed of it elsewhere, beside what others have committed since") {
  constexpr int kShards = 2;
  constexpr int kEach = 8;
  WorkersRig rig;
  const auto send = [&](int shard) {
    std::vector<std::string> bodies;
    for (int i = 0; i < kEach; ++i)
      bodies.push_back(fmt::format(R"({{"event":"e","distinct_id":"{}","uuid":"00000000-0000-4000-8000-{:06x}{:06x}"}})",
                                   rig.somebody_of(static_cast<std::size_t>(shard), kShards), shard, i));
    rig.push(bodies);
  };
  for (int shard = 0; shard < kShards; ++shard) send(shard);
  for (int shard = 0; shard < kShards; ++shard) {
    UuidsOfLog uuids({.uuids_max = kShards * kEach});
    rig.run_until_idle(*rig.shard({shard, kShards}, kEach, uuids));
  }
  REQUIRE(rig.bodies().size() == kShards * kEach);
  UuidsOfLog uuids({.uuids_max = kShards * kEach});
  const auto other = rig.shard({1, kShards}, kEach, uuids);
  const auto here = rig.shard({0, kShards}, kEach, uuids);
  for (int shard = 0; shard < kShards; ++shard) send(shard);
  rig.run_until_idle(*here);
  rig.run_until_idle(*other);
  CHECK(here->counts().duplicates == kEach);
  CHECK(other->counts().duplicates == kEach);
  CHECK(rig.bodies().size() == kShards * kEach);
}

TEST_CASE("a commit that the log refuses costs the other workers nothing") {
  WorkersRig rig;
  const auto workers = rig.workers(2);
  const std::string mine = rig.somebody_of(0, 2);
  const std::string others = rig.somebody_of(1, 2);
  rig.push_of({mine, others, mine});
  rig.log.cork();
  for (std::size_t i : {0U, 1U}) {
    REQUIRE(workers->worker(i).step());  // reads
    REQUIRE(workers->worker(i).step());  // appends
  }
  rig.log.refuse_next_append({ErrorKind::unavailable, "the disk is full"});  // that of worker 0
  rig.log.uncork();
  CHECK(rig.bodies() == std::vector{"web/" + others + "/1=1"});
  rig.push_of({others});
  for (int i = 0; i < 3; ++i) REQUIRE(workers->worker(1).step());
  CHECK(rig.bodies() == std::vector{"web/" + others + "/1=1", "web/" + others + "/2=2"});
  CHECK(workers->captured_committed() == 0);
  CHECK_FALSE(workers->idle());
  rig.run_until_idle(*workers);
  rig.check_all_there_once_in_order();
}

TEST_CASE("retention waits for the worker that is behind, and not for long for one that has nothing to do") {
  WorkersRig rig;
  auto workers = rig.workers(2);
  const std::string mine = rig.somebody_of(0, 2);
  for (int i = 0; i < 3; ++i) rig.push_of({mine});
  rig.run_until_idle(*workers);
  CHECK(workers->captured_committed() == 0);
  rig.clock.advance(Duration(1'000));
  rig.step_all(*workers, 3);
  CHECK(workers->captured_committed() == 3);

  rig.log.drop_records_before(LogName::captured, workers->captured_committed());
  workers = rig.workers(3);
  rig.push_of({mine});
  rig.run_until_idle(*workers);
  rig.check_all_there_once_in_order();
}

TEST_CASE("a uuid that is pushed again is known to every number of workers, whatever an app made of the distinct id") {
  WorkersRig rig;
  const std::string body = R"({"event":"1","distinct_id":"u","uuid":"01890a5d-ac96-774b-bcce-b302099a0000"})";
  for (const std::size_t count : {4U, 3U, 1U, 16U}) {
    const auto workers = rig.workers(count);
    rig.push({body});
    rig.run_until_idle(*workers);
    CHECK(rig.bodies() == std::vector<std::string>{"web/u/1=1"});
  }
}

TEST_CASE("refused elements of a push are dead letters once, with any number of workers") {
  WorkersRig rig;
  for (const std::size_t count : {3U, 2U}) {
    const auto workers = rig.workers(count);
    if (count == 3) rig.push({"[1]", "[2]", "[3]", rig.event("web", "u"), "[4]"});
    rig.run_until_idle(*workers);
  }
  CHECK(rig.derived.dead() == 4);
  rig.check_all_there_once_in_order();
}

TEST_CASE("a chain that holds stops its own worker only; then all are at rest, but not idle") {
  WorkersRig rig;
  const auto workers = rig.workers(2);
  const std::string mine = rig.somebody_of(0, 2);
  const std::string others = rig.somebody_of(1, 2);
  rig.chains[0]->held = true;
  rig.push_of({mine, others});
  rig.step_all(*workers, 5);
  CHECK(rig.bodies() == std::vector{"web/" + others + "/1=1"});
  CHECK(workers->resting());
  CHECK_FALSE(workers->idle());
  rig.chains[0]->held = false;
  rig.run_until_idle(*workers);
  rig.check_all_there_once_in_order();
}

TEST_CASE("new chains are in use when every worker has taken its own, each between two of its batches") {
  WorkersRig rig;
  const auto workers = rig.workers(3);
  workers->set_chains(rig.make_chains(3, 2));
  for (std::size_t i : {2U, 0U, 1U}) {
    CHECK(workers->chain_version() == 1);
    REQUIRE(workers->worker(i).step());
  }
  CHECK(workers->chain_version() == 2);
}

TEST_CASE("threads divide the work, take new chains meanwhile, and stop with everything committed that they had read") {
  WorkersRig rig;
  for (int n = 0; n < 500; ++n) rig.add_line(n % 3, fmt::format("u{}", n % 7));
  const auto workers = rig.workers(4);
  workers->start();
  std::uint64_t version = 1;
  for (int n = 0; n < 400; ++n) {
    rig.push_of({fmt::format("u{}", n % 11), fmt::format("u{}", n % 5)});
    if (n % 100 == 50) workers->set_chains(rig.make_chains(4, ++version));
  }
  while (!workers->caught_up() || workers->chain_version() != version) std::this_thread::yield();
  workers->stop();
  CHECK_FALSE(workers->failure());
  CHECK(workers->counts().kept == 500 + 800);
  CHECK(workers->busy() == Duration(0));
  rig.check_all_there_once_in_order();
}

TEST_CASE("a log that cannot keep its promise ends ingest, and says why") {
  WorkersRig rig;
  const auto workers = rig.workers(2);
  rig.push_of({"u1", "u2", "u3", "u4"});
  rig.log.break_sync("fsync: Input/output error");
  workers->start();
  while (!workers->failure()) std::this_thread::yield();
  CHECK(workers->failure()->message.find("Input/output error") != std::string::npos);
}

}  // namespace penstock::ingest
