// No commit becomes larger than the log takes, whatever apps make of events: events, state or dead letters.

#include <doctest/doctest.h>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
namespace {

using testing::line;
using testing::push;
using testing::run_until_idle;

// Of each event it drops "hoard…" and keeps 600 bytes of state, and fails on "moan…" with a reason of 600 bytes.
class Verbose final : public Transform {
 public:
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex&, const Facts& facts, bool, Transformed& out) override {
    out.events.clear();
    out.state.clear();
    if (facts.event.starts_with("hoard")) {
      out.kind = Transformed::Kind::dropped;
      out.state.push_back({"hoard", std::string(facts.distinct_id), std::string(600, 'x'), false, {}});
      return;
    }
    out.kind = Transformed::Kind::failed;
    out.code = "app_error";
    out.reason = std::string(600, 'x');
  }
  std::uint64_t version() const override { return 1; }
};

struct SmallCommits : testing::Bench {
  SmallCommits() {
    options.commit.record_bytes = 2'000;
    options.commit.letter_bytes = 4'000;
    options.commit.within = Duration{3'600'000};
    options.trial_bytes = 1;
  }

  void run() {
    const auto running = worker(true, options);
    running->set_chain(std::make_unique<Verbose>());
    run_until_idle(*running);
  }
  Result<Accepted> push(const std::vector<std::string>& bodies) {
    CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, log, clock, {}, 1 << 20);
    return testing::push(intake, bodies);
  }
  std::size_t rows() const {
    std::size_t count = 0;
    for (const auto& record : log.records(LogName::events)) count += record->state.size();
    return count;
  }
  // The texts of the largest commit.
  std::size_t largest() const {
    std::size_t most = 0;
    for (const auto& record : log.records(LogName::events)) {
      std::size_t bytes = 0;
      for (const auto& change : record->state) bytes += change.table.size() + change.key.size() + change.value.size();
      for (const auto& letter : record->dead) bytes += letter.reason.size() + letter.body.size();
      most = std::max(most, bytes);
    }
    return most;
  }

  WorkerOptions options;
};

std::vector<std::string> lines_of(const std::string& event, int count) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) lines.push_back(line(event, i));
  return lines;
}

}  // namespace

TEST_CASE("state of dropped events, and dead letters, go into as many commits as they need") {
  for (const std::string event : {"hoard", "moan"}) {
    CAPTURE(event);
    SmallCommits bench;
    bench.lines.lines = lines_of(event, 10);
    bench.lines.lines_per_poll = 10;
    for (int i = 10; i < 20; ++i) REQUIRE(bench.push({line(event, i)}));
    bench.run();
    CHECK(bench.largest() <= 2'000);
    CHECK(bench.rows() == (event == "hoard" ? 20 : 0));
    CHECK(bench.dead.size() == (event == "hoard" ? 0 : 20));
  }
}

TEST_CASE("state of dropped events of one push that no commit holds: the rest of them are dead letters") {
  SmallCommits bench;
  REQUIRE(bench.push(lines_of("hoard", 10)));
  bench.run();
  CHECK(bench.rows() == 3);
  CHECK(bench.largest() <= 4'000);
  REQUIRE(bench.dead.size() == 7);
  CHECK(bench.dead[0].code == "output_too_large");
  CHECK(bench.dead[0].body.starts_with(R"({"event":"hoard")"));
}

TEST_CASE("dead letters of one push that no commit holds are cut") {
  SmallCommits bench;
  std::vector<std::string> bodies = lines_of("moan", 10);
  for (auto& body : bodies) body.insert(1, R"("long":")" + std::string(500, 'y') + R"(",)");
  REQUIRE(bench.push(bodies));
  bench.run();
  REQUIRE(bench.dead.size() == 10);
  const auto whole = [&](const DeadLetter& letter) { return std::ranges::find(bodies, letter.body) != bodies.end(); };
  CHECK(std::ranges::count_if(bench.dead, whole) == 3);
  CHECK(whole(bench.dead[0]));
  CHECK(bench.dead[9].body == bodies[0].substr(0, 256));
  CHECK(bench.dead[9].reason.ends_with("; the first 256 bytes of its body are kept"));
}

TEST_CASE("a dead letter that is larger than the log takes has its body cut") {
  SmallCommits bench;
  bench.options.commit = {.one_letter_bytes = 100'000};
  bench.lines.lines = {R"({"event":"moan","long":")" + std::string(110'000, 'y') + R"("})"};
  bench.run();
  REQUIRE(bench.dead.size() == 1);
  CHECK(bench.dead[0].body == bench.lines.lines[0].substr(0, 64 << 10));
}

}  // namespace penstock::ingest
