// What a closed gate stops, and what it does not.

#include "pipeline/ingest/gate.h"

#include <doctest/doctest.h>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
using namespace testing;

namespace {

WorkerOptions behind(Gate& gate) {
  WorkerOptions options;
  options.gate = &gate;
  return options;
}

}  // namespace

TEST_CASE("while sources wait, what was captured goes on and polled sources are not read") {
  Bench bench;
  Gate gate;
  bench.lines.lines.push_back(line("c", 1));
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20, &gate);
  const auto worker = bench.worker(true, behind(gate));
  REQUIRE(push(intake, {line("a", 1), line("a", 2)}));
  gate.close("no room; make some");
  const auto refused = push(intake, {line("b", 1)});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "no room; make some");
  for (int steps = 0; steps < 10; ++steps) REQUIRE(worker->step());
  CHECK(bench.bodies() == std::vector{line("a", 1), line("a", 2)});
  CHECK(worker->holding());
  CHECK_FALSE(worker->idle());

  gate.open();
  run_until_idle(*worker);
  CHECK(bench.bodies().size() == 3);
  CHECK_FALSE(worker->holding());
}

TEST_CASE("between two looks at the disk no more comes in than was allowed") {
  Bench bench;
  Gate gate;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20, &gate);
  const std::string one = line("a", 1);
  const auto bytes = static_cast<std::int64_t>(one.size() + 1);
  gate.allow(2 * bytes, 100 * bytes);
  CHECK(push(intake, {one}));
  CHECK(push(intake, {one}));
  const auto refused = push(intake, {one});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::unavailable);
  gate.allow(bytes, 100 * bytes);
  CHECK(push(intake, {one}));
  CHECK(gate.is_closed());
  CHECK_FALSE(gate.is_shut());
}

TEST_CASE("a push that is larger than what is left comes in, if it leaves ingest as much") {
  Bench bench;
  Gate gate;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20, &gate);
  const std::string one = line("a", 1);
  const auto bytes = static_cast<std::int64_t>(one.size() + 1);
  gate.allow(1, 2 * bytes - 1);
  CHECK_FALSE(push(intake, {one}));
  gate.allow(1, 2 * bytes);
  CHECK(push(intake, {one}));
  CHECK(gate.is_closed());
}

TEST_CASE("what ingest may write is bounded, too, and a shut gate stops it until there is room") {
  Bench bench;
  Gate gate;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  const auto worker = bench.worker(false, behind(gate));
  gate.allow(0, 1);
  REQUIRE(push(intake, {line("a", 1)}));
  for (int steps = 0; steps < 10; ++steps) REQUIRE(worker->step());
  CHECK(bench.bodies().size() == 1);
  CHECK(gate.is_shut());
  REQUIRE(push(intake, {line("a", 2)}));
  for (int steps = 0; steps < 10; ++steps) REQUIRE(worker->step());
  CHECK(bench.bodies().size() == 1);
  CHECK(worker->holding());
  gate.allow(0, 1'000);
  for (int steps = 0; steps < 10; ++steps) REQUIRE(worker->step());
  CHECK(bench.bodies().size() == 2);
}

}  // namespace penstock::ingest
