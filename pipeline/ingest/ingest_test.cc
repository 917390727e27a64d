#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <thread>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
using namespace testing;

namespace {

// Wants nothing after its first event, until it is told to go on.
class Holding final : public Transform {
 public:
  explicit Holding(bool& hold) : hold_(hold) {}
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    out.kind = Transformed::Kind::kept;
    out.events.assign(1, {facts, body.text()});
    hold_ = true;
  }
  bool holding() const override { return hold_; }
  std::uint64_t version() const override { return 8; }

 private:
  bool& hold_;
};

// Does not come back until it is let go.
class Stuck final : public Transform {
 public:
  Stuck(std::promise<void>& entered, std::future<void> let_go) : entered_(entered), let_go_(std::move(let_go)) {}
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex&, const Facts&, bool, Transformed& out) override {
    entered_.set_value();
    let_go_.wait();
    out.kind = Transformed::Kind::dropped;
  }
  std::uint64_t version() const override { return 9; }

 private:
  std::promise<void>& entered_;
  std::future<void> let_go_;
};

}  // namespace

TEST_CASE("while the chain holds, what was read is committed and nothing more is read") {
  Bench bench;
  bench.lines.lines = {line("a", 1)};
  const auto worker = bench.worker();
  bool hold = false;
  worker->set_chain(std::make_unique<Holding>(hold));
  for (int i = 0; i < 5; ++i) REQUIRE(worker->step());
  REQUIRE(hold);
  bench.lines.lines.push_back(line("b", 2));
  for (int i = 0; i < 20; ++i) REQUIRE(worker->step());
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1)});
  CHECK(worker->holding());
  CHECK_FALSE(worker->idle());
  CHECK_FALSE(worker->caught_up());
  hold = false;
  for (int i = 0; i < 20; ++i) REQUIRE(worker->step());
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 2)});
}

TEST_CASE("of what was pushed, a chain that begins to hold leaves the next record alone") {
  Bench bench;
  const auto worker = bench.worker(false);
  bool hold = false;
  worker->set_chain(std::make_unique<Holding>(hold));
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  for (int i = 0; i < 3; ++i) REQUIRE(push(intake, {line("a", i)}));
  for (int i = 0; i < 20; ++i) REQUIRE(worker->step());
  CHECK_EQ(bench.bodies(), std::vector{line("a", 0)});
  hold = false;
  for (int i = 0; i < 20; ++i) REQUIRE(worker->step());
  CHECK_EQ(bench.bodies(), std::vector{line("a", 0), line("a", 1)});
}

TEST_CASE("each line of a file is in the log once, with its bytes, and bad ones are dead letters with their place") {
  Bench bench;
  bench.lines.lines = {line("a", 1), "{broken", line("drop", 2), line("fail", 3), R"({"distinct_id":"x"})", line("b", 4)};
  const auto worker = bench.worker();
  run_until_idle(*worker);
  CHECK(worker->caught_up());
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 4)});
  REQUIRE_EQ(bench.dead.size(), 3);
  CHECK_EQ(bench.dead[0].code, "invalid_json");
  CHECK_EQ(bench.dead[0].place, "lines at 1");
  CHECK_EQ(bench.dead[0].body, "{broken");
  CHECK_EQ(bench.dead[1].app, "by_name");
  CHECK_EQ(bench.dead[2].code, "no_facts");
}

TEST_CASE("an app that makes more events of one than a commit can hold costs that event only") {
  Bench bench;
  bench.lines.lines = {line("a", 1), line("flood", 2), line("b", 3)};
  const auto worker = bench.worker();
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 3)});
  REQUIRE_EQ(bench.dead.size(), 1);
  CHECK_EQ(bench.dead[0].code, "output_too_large");
  CHECK_EQ(bench.dead[0].body, line("flood", 2));
}

TEST_CASE("an event that is larger than the log takes is a dead letter, and costs nothing else") {
  Bench bench;
  const std::string large = line("a_long_name" + std::string(200, 'x'), 2);
  bench.lines.lines = {line("a", 1), large, line("b", 3)};
  WorkerOptions options;
  options.commit.event_bytes = 150;
  const auto worker = bench.worker(true, options);
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 3)});
  REQUIRE_EQ(bench.dead.size(), 1);
  CHECK_EQ(bench.dead[0].code, "output_too_large");
  CHECK_EQ(bench.dead[0].body, large);
}

TEST_CASE("a log that does not answer for a while is read again, from where the last commit stood") {
  Bench bench;
  bench.log.add(LogName::captured, {{line("a", 1), "a", "u1", {}}, {line("b", 2), "b", "u2", {}}});
  const auto worker = bench.worker(false);
  bench.log.fail_next_read({ErrorKind::unavailable, "the brokers do not answer"}, 3);  // also when it is opened again
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 2)});
}

TEST_CASE("events whose parts do not fit into one commit together are committed in several, and none is refused") {
  Bench bench;
  bench.lines.lines_per_poll = 5;
  for (int i = 0; i < 10; ++i) bench.lines.lines.push_back(line("six", i));
  bench.lines.lines.push_back(line("flood", 10));
  bench.lines.lines.push_back(line("six", 11));
  const auto worker = bench.worker(true, {.commit = {.record_events = 10}, .trial_bytes = 1});
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  for (int i = 12; i < 15; ++i) REQUIRE(push(intake, {line("six", i)}));
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies().size(), 14 * 6);
  REQUIRE_EQ(bench.dead.size(), 1);
  CHECK_EQ(bench.dead[0].body, line("flood", 10));
  CHECK_EQ(worker->counts().kept, 14 * 6);
  CHECK_EQ(worker->counts().dead, 1);
}

TEST_CASE("a body that repeats a key is stored with the last value, in its first place") {
  Bench bench;
  bench.lines.lines = {R"({"event":"a", "n":1, "distinct_id":"u" , "n":2.0})"};
  const auto worker = bench.worker();
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies(), std::vector<std::string>{R"({"event":"a","n":2.0,"distinct_id":"u"})"});
}

TEST_CASE("a restart goes on where the last commit stood, whatever had been read since") {
  Bench bench;
  for (int n = 0; n < 40; ++n) bench.lines.lines.push_back(line("a", 100 + n));
  {
    const auto worker = bench.worker(true, {.commit = {.events = 10}});
    for (int i = 0; i < 9; ++i) REQUIRE(worker->step());  // killed with a batch half collected
  }
  CHECK_LT(bench.bodies().size(), 40);
  CHECK_GT(bench.bodies().size(), 0);
  const auto worker = bench.worker(true, {.commit = {.events = 10}});
  run_until_idle(*worker);
  auto expected = bench.lines.lines;
  std::ranges::sort(expected);
  CHECK_EQ(bench.bodies(), expected);
}

TEST_CASE("a pushed request is answered only when it is durable") {
  Bench bench;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  bench.log.cork();
  bool answered = false;
  PushedRecords records{.text = line("a", 1), .bodies = {}};
  records.bodies.push_back(records.text);
  intake.push(std::move(records), [&](Result<Accepted> given) { answered = given.has_value(); });
  CHECK_FALSE(answered);
  bench.log.uncork();
  CHECK(answered);
}

TEST_CASE("a pushed request is one record; its bad elements are named and become dead letters") {
  Bench bench;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  const auto answer = push(intake, {line("a", 1), "[]", line("b", 2), "nonsense"});
  REQUIRE(answer);
  CHECK_EQ(answer->accepted, 2);
  REQUIRE_EQ(answer->rejected.size(), 2);
  CHECK_EQ(answer->rejected[1].index, 3);
  CHECK_EQ(bench.log.records(LogName::captured).size(), 1);

  const auto worker = bench.worker(false);
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies(), std::vector{line("a", 1), line("b", 2)});
  CHECK_EQ(bench.dead.size(), 2);

  const auto again = bench.worker(false);
  run_until_idle(*again);
  CHECK_EQ(bench.bodies().size(), 2);
  CHECK_EQ(bench.dead.size(), 2);
}

TEST_CASE("what a client pushes again is in the log once, also after a restart and a refused commit") {
  Bench bench;
  const auto with_uuid = [](int n) {
    return fmt::format(R"({{"event":"a","distinct_id":"u","uuid":"01890a5d-ac96-774b-bcce-b302099a{:04}"}})", n);
  };
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  {
    const auto worker = bench.worker(false);
    REQUIRE(push(intake, {with_uuid(1), with_uuid(2), with_uuid(1)}));
    REQUIRE(push(intake, {with_uuid(2), with_uuid(3)}));
    bench.log.refuse_next_append({ErrorKind::unavailable, "the disk is full"});
    run_until_idle(*worker);
    CHECK_EQ(bench.bodies(), std::vector{with_uuid(1), with_uuid(2), with_uuid(3)});
    CHECK_EQ(worker->counts().duplicates, 2);
    CHECK_EQ(worker->counts().kept, 3);
  }
  const auto worker = bench.worker(false);
  REQUIRE(push(intake, {with_uuid(3), with_uuid(4), line("a", 1), line("a", 1)}));
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies().size(), 6);
  CHECK_EQ(worker->counts().duplicates, 1);
}

TEST_CASE("a log that cannot keep its promise refuses pushes and stops the worker") {
  Bench bench;
  bench.lines.lines = {line("a", 1)};
  const auto worker = bench.worker();
  bench.log.break_sync("fsync: Input/output error");
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  const auto answer = push(intake, {line("a", 2)});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().kind == ErrorKind::unavailable);
  Result<bool> stepped = true;
  for (int i = 0; i < 5 && stepped; ++i) stepped = worker->step();
  CHECK_FALSE(stepped);
}

TEST_CASE("a chain that does not come back shows as the time ingest has been busy") {
  Bench bench;
  bench.lines.lines = {line("a", 1)};
  const auto worker = bench.worker();
  std::promise<void> entered, let_go;
  worker->set_chain(std::make_unique<Stuck>(entered, let_go.get_future()));
  std::jthread thread([&](std::stop_token stop) { CHECK(worker->run(std::move(stop))); });
  entered.get_future().wait();
  bench.clock.advance(Duration(7'000));
  CHECK(worker->busy() == Duration(7'000));
  let_go.set_value();
  thread.request_stop();
  thread.join();
  CHECK(worker->busy() == Duration(0));
}

TEST_CASE("a new chain takes over between two batches") {
  Bench bench;
  bench.lines.lines = {line("a", 1)};
  bench.lines.finite = false;
  const auto worker = bench.worker();
  run_until_idle(*worker);
  worker->set_chain(std::make_unique<ByName>(2));
  bench.lines.lines.push_back(line("b", 2));
  REQUIRE(worker->step());
  run_until_idle(*worker);
  CHECK_EQ(bench.log.records(LogName::events).back()->chain_version, 2);
}

TEST_CASE("a worker that holds looks up now and then, however much waits for it") {
  struct Holding final : Transform {
    explicit Holding(std::atomic<int>& given) : looks(given) {}
    void begin_batch(Timestamp, StateView*) override {}
    void run(const json::ObjectIndex&, const Facts&, bool, Transformed&) override { FAIL("nothing is given to it"); }
    std::uint64_t version() const override { return 2; }
    bool holding() const override {
      ++looks;
      looks.notify_all();
      return true;
    }
    std::atomic<int>& looks;
  };
  Bench bench;
  bench.log.add(LogName::captured, {{line("a", 1), "a", "u1", {}}});
  std::atomic<int> looks = 0;
  const auto worker = bench.worker(false);
  worker->set_chain(std::make_unique<Holding>(looks));
  const auto began = std::chrono::steady_clock::now();
  std::jthread running([&](const std::stop_token& stop) { CHECK(worker->run(stop)); });
  for (int seen = 0; (seen = looks) < 6;) looks.wait(seen);
  CHECK(std::chrono::steady_clock::now() - began >= Duration{60});  // five waits of 20 ms
}

TEST_CASE("where no uuid was claimed, de-duplication covers nothing") {
  Bench bench;
  bench.lines.lines = {line("a", 1)};
  telemetry::Metrics metrics;
  bench.metrics = WorkerMetrics(metrics);
  const auto worker = bench.worker();
  run_until_idle(*worker);
  CHECK(metrics.render().find("penstock_ingest_dedup_covered_seconds 0\n") != std::string::npos);
}

}  // namespace penstock::ingest
