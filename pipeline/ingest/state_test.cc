// State through ingest: what an event changed is seen by the next one and committed with the event, or never was.

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ingest/worker.h"
#include "pipeline/ports/memory_state.h"
#include "tests/fakes/fake_source.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::ingest {
namespace {

// Counts the events of each distinct id in state, and writes the count into the event. "drop…" counts and drops, "fail…"
// fails after it has counted, "flood…" becomes more events than a commit holds, "brief…" counts for ten seconds.
class Counting final : public Transform {
 public:
  void begin_batch(Timestamp now, StateView* state) override {
    now_ = now;
    state_ = state;
  }
  void run(const json::ObjectIndex&, const Facts& facts, bool, Transformed& out) override {
    out.events.clear();
    out.state.clear();
    const auto before = state_->get("counts", facts.distinct_id, now_);
    if (!before || facts.event.starts_with("fail")) {
      out.kind = Transformed::Kind::failed;
      out.app = "counting";
      out.code = "app_error";
      out.reason = before ? "it failed" : before.error().message;
      return;
    }
    const int count = *before ? std::stoi((*before)->value) + 1 : 1;
    const Timestamp expires{facts.event.starts_with("brief") ? now_.ms + 10'000 : 0};
    out.state.push_back({"counts", std::string(facts.distinct_id), std::to_string(count), false, expires});
    out.kind = facts.event.starts_with("drop") ? Transformed::Kind::dropped : Transformed::Kind::kept;
    if (out.kind == Transformed::Kind::dropped) return;
    made_ = std::string(facts.distinct_id) + "=" + std::to_string(count);
    out.events.assign(facts.event.starts_with("flood") ? 1'000'001 : 1, {facts, made_});
  }
  std::uint64_t version() const override { return 1; }

 private:
  Timestamp now_;
  StateView* state_ = nullptr;
  std::string made_;
};

// What commits have left behind, until it is told to fail.
class Stored final : public StateView {
 public:
  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override {
    ++asked;
    if (failing) return fail(*failing);
    return rows.get(table, key, now);
  }

  MemoryState rows;
  std::optional<Error> failing;
  int asked = 0;
};

struct Bench {
  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};
  fakes::FakeLines lines;
  Stored stored;
  SeenUuids seen{DedupSettings{}};
  std::vector<SourcePosition> positions;
  std::vector<DeadLetter> dead;
  std::unique_ptr<Worker> worker;

  explicit Bench(WorkerOptions options = {}) {
    lines.finite = false;
    std::vector<PolledInput> polled;
    polled.push_back({{.name = "lines", .project = "shop", .paths = {}}, std::make_unique<fakes::FakeSource>(lines), {}});
    worker = std::make_unique<Worker>(
        log, clock, [this](const std::string& source) { return of(source); },
        [this](std::uint64_t, const LogRecord& changes) { keep(changes); }, stored, seen, std::make_unique<Counting>(),
        std::move(polled), std::vector<PushedInput>{}, options, WorkerMetrics{});
    REQUIRE(worker->open());
  }

  Result<std::vector<SourcePosition>> of(const std::string& source) const {
    std::vector<SourcePosition> found;
    std::ranges::copy_if(positions, std::back_inserter(found), [&](const auto& p) { return p.source == source; });
    return found;
  }

  void keep(const LogRecord& changes) {
    positions = changes.positions;
    stored.rows.apply(changes.state);
    dead.insert(dead.end(), changes.dead.begin(), changes.dead.end());
  }

  // "a:signup" is an event `signup` of the distinct id `a`.
  void add(const std::vector<std::string>& events) {
    for (const std::string& text : events) {
      const auto colon = text.find(':');
      lines.lines.push_back(R"({"event":")" + text.substr(colon + 1) + R"(","distinct_id":")" + text.substr(0, colon) +
                            R"("})");
    }
  }

  void run() {
    bool moved = true;
    for (int steps = 0; steps < 1000 && (moved || !worker->idle()); ++steps) {
      const auto stepped = worker->step();
      REQUIRE(stepped);
      moved = *stepped;
    }
    REQUIRE(worker->idle());
  }

  // What came out, in the order of the log, with a space between two and a '|' between two commits.
  std::string out() const {
    std::string all;
    for (const auto& record : log.records(LogName::events)) {
      if (!all.empty()) all += "|";
      std::string commit;
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i)
          commit += (commit.empty() ? "" : " ") + std::string(chunk->body(i).value());
      all += commit;
    }
    return all;
  }

  std::string count_of(const std::string& who) {
    const auto row = stored.rows.get("counts@lines", who, clock.now());
    return row.value() ? (*row)->value : "none";
  }
};

}  // namespace

TEST_CASE("an event sees what the one before it changed, in the batch and across commits") {
  Bench bench({.commit = {.events = 3}});
  bench.lines.lines_per_poll = 1;
  bench.add({"a:1", "a:2", "a:3", "a:4", "a:5", "a:6", "a:7"});
  bench.run();
  CHECK(bench.out() == "a=1 a=2 a=3|a=4 a=5 a=6|a=7");
  CHECK(bench.count_of("a") == "7");
}

TEST_CASE("a commit has each changed row once, with its last value") {
  Bench bench;
  bench.add({"a:1", "a:2", "b:1", "a:3"});
  bench.run();
  REQUIRE(bench.log.records(LogName::events).size() == 1);
  auto changes = bench.log.records(LogName::events)[0]->state;
  std::ranges::sort(changes, {}, &StateChange::key);
  CHECK(changes == std::vector<StateChange>{{"counts@lines", "a", "3", false, {}}, {"counts@lines", "b", "1", false, {}}});
}

TEST_CASE("while a commit is in flight the next batch sees its changes, though nothing is stored yet") {
  Bench bench({.commit = {.events = 2}});
  bench.log.cork();
  bench.add({"a:1", "a:2", "a:3"});
  for (int steps = 0; steps < 3; ++steps) REQUIRE(bench.worker->step());
  CHECK(bench.count_of("a") == "none");
  bench.log.uncork();
  bench.run();
  CHECK(bench.out() == "a=1 a=2|a=3");
}

TEST_CASE("what a dropped event changed stays; what a failed one or one too large for a commit changed does not") {
  Bench bench;
  bench.add({"a:1", "a:drop", "a:fail", "a:flood", "a:2"});
  bench.run();
  CHECK(bench.out() == "a=1||a=3");
  CHECK(bench.dead.size() == 2);
  CHECK(bench.count_of("a") == "3");
}

TEST_CASE("events that are all dropped still commit what they changed") {
  Bench bench;
  bench.add({"a:drop", "a:drop"});
  bench.run();
  CHECK(bench.count_of("a") == "2");
}

TEST_CASE("a commit that the log refuses takes its changes with it, and those of the batch after it") {
  Bench bench({.commit = {.events = 2}});
  bench.add({"a:1", "a:2"});
  bench.run();
  bench.log.cork();
  bench.add({"a:3", "a:4", "a:5"});
  for (int steps = 0; steps < 3; ++steps) REQUIRE(bench.worker->step());
  bench.log.refuse_next_append({ErrorKind::unavailable, "the disk is full"});
  bench.log.uncork();
  bench.run();
  CHECK(bench.out() == "a=1 a=2|a=3 a=4|a=5");
  CHECK(bench.count_of("a") == "5");
}

TEST_CASE("when stored state cannot be told nothing of the batch is committed and no event pays; it is read again") {
  Bench bench;
  bench.add({"a:1"});
  bench.run();
  bench.stored.failing = Error{ErrorKind::unavailable, "behind the log"};
  bench.add({"b:1", "c:1"});
  const auto stepped = bench.worker->step();
  REQUIRE(stepped);
  CHECK_FALSE(*stepped);
  CHECK(bench.out() == "a=1");
  bench.stored.failing.reset();
  bench.run();
  CHECK(bench.out() == "a=1|b=1 c=1");
  CHECK(bench.dead.empty());
  CHECK(bench.worker->counts().dead == 0);
}

TEST_CASE("state that is damaged ends ingest") {
  Bench bench;
  bench.stored.failing = Error{ErrorKind::corrupt, "not a row"};
  bench.add({"a:1"});
  const auto stepped = bench.worker->step();
  REQUIRE_FALSE(stepped);
  CHECK(stepped.error().message == "app.state cannot be read: not a row");
}

TEST_CASE("a row expires by the time of the batch, wherever it is") {
  Bench bench;
  bench.add({"a:brief", "a:brief"});
  bench.run();
  bench.clock.advance(Duration(9'999));
  bench.add({"a:3"});
  bench.run();
  bench.add({"b:brief"});
  bench.log.cork();
  for (int steps = 0; steps < 2; ++steps) REQUIRE(bench.worker->step());
  bench.clock.advance(Duration(10'000));
  bench.add({"b:again"});
  REQUIRE(bench.worker->step());  // a batch begins at the new time, its predecessor in flight
  bench.log.uncork();
  bench.run();
  CHECK(bench.out() == "a=1 a=2|a=3|b=1|b=1");
}

TEST_CASE("changes of state fill a commit as events do") {
  Bench bench({.commit = {.bytes = 200}});
  bench.lines.lines_per_poll = 1;
  for (int n = 0; n < 40; ++n) bench.add({"user-" + std::to_string(n) + ":drop"});
  bench.run();
  CHECK(bench.log.records(LogName::events).size() > 5);
}

}  // namespace penstock::ingest
