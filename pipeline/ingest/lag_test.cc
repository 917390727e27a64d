// How far behind ingest says it is.

#include <doctest/doctest.h>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
using namespace testing;

namespace {

class Held final : public Transform {
 public:
  explicit Held(bool& hold) : hold_(hold) {}
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex&, const Facts&, bool, Transformed& out) override {
    out.kind = Transformed::Kind::dropped;
  }
  bool holding() const override { return hold_; }
  std::uint64_t version() const override { return 3; }

 private:
  bool& hold_;
};

}  // namespace

TEST_CASE("what waits behind a held chain is counted, with its age, and gone once it is read") {
  Bench bench;
  bench.lines.finite = false;
  const auto worker = bench.worker();
  bool hold = false;
  worker->set_chain(std::make_unique<Held>(hold));
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  REQUIRE(push(intake, {line("a", 1)}));
  run_until_idle(*worker);
  CHECK(worker->lag()[0].events == 0);

  bench.clock.advance(Duration{60'000});
  REQUIRE(worker->step());
  hold = true;
  bench.clock.advance(Duration{500});
  for (int n = 0; n < 3; ++n) REQUIRE(push(intake, {line("a", n), line("b", n)}));
  bench.lines.lines.push_back(line("c", 1));
  bench.clock.advance(Duration{4'000});
  REQUIRE(worker->step());
  auto lag = worker->lag();
  REQUIRE(lag.size() == 2);
  CHECK(lag[0].input == "captured");
  CHECK(lag[0].events == 6);
  CHECK(lag[0].age == Duration{4'500});
  CHECK(lag[1].input == "lines");
  CHECK(lag[1].bytes == line("c", 1).size());
  CHECK(lag[1].age == Duration{4'500});

  hold = false;
  run_until_idle(*worker);
  bench.clock.advance(Duration{1'000});
  REQUIRE(worker->step());
  lag = worker->lag();
  CHECK(lag[0].events == 0);
  CHECK(lag[0].age == Duration{0});
  CHECK(lag[1].bytes == 0);
  CHECK(lag[1].age == Duration{0});
}

TEST_CASE("what an earlier run has left counts from when it was captured") {
  Bench bench;
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  for (int n = 0; n < 3; ++n) REQUIRE(push(intake, {line("a", n)}));
  bench.clock.advance(Duration{9'000});
  const auto worker = bench.worker(false);
  CHECK(worker->lag()[0].events == 3);
  CHECK(worker->lag()[0].age == Duration{9'000});
}

}  // namespace penstock::ingest
