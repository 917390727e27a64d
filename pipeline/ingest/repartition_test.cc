#include "pipeline/ingest/repartition.h"

#include <doctest/doctest.h>

#include <chrono>
#include <semaphore>

#include "pipeline/ingest/refusal.h"
#include "pipeline/ingest/testing.h"

using namespace penstock;
using namespace penstock::ingest;
using namespace penstock::ingest::testing;

namespace {

const SourceIdentity kLines{.name = "lines", .project = "shop", .paths = {}};

// Says when it is closed: the last thing that its reader does.
class ClosingSource final : public fakes::FakeSource {
 public:
  ClosingSource(const fakes::FakeLines& lines, std::counting_semaphore<1000>& closed) : FakeSource(lines), closed_(closed) {}
  void close() override { closed_.release(); }

 private:
  std::counting_semaphore<1000>& closed_;
};

// A source of lines that goes by way of `captured`, as a start makes it.
class ByCaptured {
 public:
  explicit ByCaptured(Bench& bench, std::uint64_t behind = 0) : intake_(kLines, bench.log, bench.clock, {}, 1 << 20) {
    auto positions = positions_with_captured(
        bench.log, "lines", [&](const std::string& of) { return Result<std::vector<SourcePosition>>(bench.of(of)); });
    REQUIRE(positions.has_value());
    source_ = std::make_unique<Repartition>("lines", std::make_unique<ClosingSource>(bench.lines, closed_), *positions,
                                            intake_, SourceMetrics{}, [behind] { return behind; });
  }
  void read_to_end() {
    REQUIRE(source_->start(intake_));
    do REQUIRE(closed_.try_acquire_for(std::chrono::seconds(20)));  // it may be opened anew in between
    while (!source_->finished());
    source_->stop();
  }
  Repartition& source() { return *source_; }
  CapturedIntake& intake() { return intake_; }

 private:
  std::counting_semaphore<1000> closed_{0};
  CapturedIntake intake_;
  std::unique_ptr<Repartition> source_;
};

std::vector<std::string> lines(int from, int to) {
  std::vector<std::string> all;
  for (int n = from; n < to; ++n) all.push_back(line("signup", n));
  return all;
}

void ingest_all(Bench& bench) {
  const auto worker = bench.worker(false);
  run_until_idle(*worker);
}

}  // namespace

TEST_CASE("records go by way of captured, divided by distinct id, and the position goes on with them") {
  Bench bench;
  bench.lines.lines = lines(0, 7);
  ByCaptured(bench).read_to_end();
  CHECK(bench.of("lines").empty());
  const auto captured = bench.log.records(LogName::captured);
  REQUIRE(captured.size() == 4);
  CHECK(captured[0]->positions == std::vector<SourcePosition>{{"lines", "0", "2"}});
  ingest_all(bench);
  CHECK(bench.bodies() == lines(0, 7));
  CHECK(bench.of("lines") == std::vector<SourcePosition>{{"lines", "0", "7"}});
}

TEST_CASE("a start goes on after what captured holds, whether ingest has committed it or not") {
  Bench bench;
  bench.lines.lines = lines(0, 4);
  ByCaptured(bench).read_to_end();
  bench.lines.lines = lines(0, 6);
  ByCaptured(bench).read_to_end();  // nothing was ingested
  CHECK(bench.log.records(LogName::captured).size() == 3);
  ingest_all(bench);
  bench.lines.lines = lines(0, 8);
  ByCaptured(bench).read_to_end();  // all was
  CHECK(bench.log.records(LogName::captured).size() == 4);
  bench.log.drop_records_before(LogName::captured, 3);
  bench.lines.lines = lines(0, 9);
  ByCaptured(bench).read_to_end();
  CHECK(bench.log.records(LogName::captured).size() == 2);
  ingest_all(bench);
  CHECK(bench.bodies() == lines(0, 9));
}

TEST_CASE("what the log refuses for a moment is appended again, and what it takes twice is one event") {
  Bench bench;
  bench.lines.lines = {R"({"event":"signup","distinct_id":"u","properties":{"n":1}})"};
  bench.log.refuse_next_append({ErrorKind::unavailable, "the disk is full"});
  ByCaptured(bench).read_to_end();
  REQUIRE(bench.log.records(LogName::captured).size() == 1);
  // The brokers had it, but nobody heard of it.
  ByCaptured again(bench);
  RawBatch batch;
  batch.partition = "0";
  batch.records.push_back({.body = bench.lines.lines[0], .offset = 0, .refused = {}});
  batch.position = "1";
  again.intake().push_poll(batch, [](Result<void> done) { REQUIRE(done.has_value()); });
  REQUIRE(bench.log.records(LogName::captured).size() == 2);
  ingest_all(bench);
  CHECK(bench.bodies() == bench.lines.lines);
}

TEST_CASE("what is no event is a dead letter with its place") {
  Bench bench;
  bench.lines.lines = {"garbage", line("signup", 1)};
  ByCaptured(bench).read_to_end();
  ingest_all(bench);
  CHECK(bench.bodies() == lines(1, 2));
  REQUIRE(bench.dead.size() == 1);
  CHECK(bench.dead[0].code == kInvalidJson);
  CHECK(bench.dead[0].body == "garbage");
  CHECK(bench.dead[0].source == "lines");
}

TEST_CASE("a poll that no record of the log holds is read again in pieces, and what is too large alone is a dead letter") {
  Bench bench;
  bench.lines.lines = lines(0, 2);
  bench.log.refuse_next_append({ErrorKind::limit, "a record of 40 MiB; the topic takes 1 MiB"});
  ByCaptured(bench).read_to_end();
  CHECK(bench.log.records(LogName::captured).size() == 2);
  bench.lines.lines = lines(0, 3);
  bench.log.refuse_next_append({ErrorKind::limit, "a record of 40 MiB; the topic takes 1 MiB"});
  ByCaptured(bench).read_to_end();
  ingest_all(bench);
  CHECK(bench.bodies() == lines(0, 2));
  REQUIRE(bench.dead.size() == 1);
  CHECK(bench.dead[0].code == kTooLarge);
}

TEST_CASE("while ingest is far behind nothing is read") {
  Bench bench;
  bench.lines.lines = lines(0, 2);
  ByCaptured waits(bench, 1000);
  REQUIRE(waits.source().start(waits.intake()));
  waits.source().stop();
  CHECK_FALSE(waits.source().finished());
  CHECK(bench.log.records(LogName::captured).empty());
}
