#include "pipeline/ingest/intake.h"

#include <doctest/doctest.h>

#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::ingest {
namespace {

struct Door {
  bool push(const std::string& first, const std::string& second) {
    PushedRecords records{.text = first + second, .bodies = {}};
    records.bodies = {std::string_view(records.text).substr(0, first.size()),
                      std::string_view(records.text).substr(first.size())};
    bool accepted = false;
    intake.push(std::move(records), [&](const Result<Accepted>& answer) {
      accepted = answer.has_value();
      if (!answer) refused = answer.error();
    });
    return accepted;
  }
  bool shows(const std::string& line) const { return metrics.render().find(line + "\n") != std::string::npos; }

  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};
  telemetry::Metrics metrics;
  Error refused;
  CapturedIntake intake{{.name = "web", .project = "shop", .paths = {}}, log, clock, SourceMetrics(metrics, "web"), 1 << 20};
};

}  // namespace

TEST_CASE("what the log refused is not counted; the client pushes it again") {
  Door door;
  const std::string good = R"({"event":"a","distinct_id":"u"})";
  door.log.refuse_next_append(Error{ErrorKind::limit, "the disk is full"});
  CHECK_FALSE(door.push(good, "{broken"));
  CHECK(door.shows(R"(penstock_source_records_total{source="web"} 0)"));
  CHECK(door.shows(R"(penstock_ingest_events_total{outcome="dead",source="web"} 0)"));
  CHECK(door.push(good, "{broken"));
  CHECK(door.shows(R"(penstock_source_records_total{source="web"} 2)"));
  CHECK(door.shows(R"(penstock_ingest_events_total{outcome="dead",source="web"} 1)"));
}

TEST_CASE("what the log will never take is told apart from what it does not take now") {
  Door door;
  for (const auto& [said, told] : {std::pair{ErrorKind::limit, ErrorKind::limit},
                                   {ErrorKind::unavailable, ErrorKind::unavailable},
                                   {ErrorKind::io, ErrorKind::unavailable}}) {
    door.log.refuse_next_append(Error{said, "so it is"});
    CHECK_FALSE(door.push(R"({"event":"a","distinct_id":"u"})", "{}"));
    CHECK(door.refused.kind == told);
    CHECK(door.refused.message == "so it is");
  }
}

TEST_CASE("what a source turns away is counted by its code") {
  Door door;
  for (const auto* code : {"413", "400", "413"}) door.intake.refused(code);
  CHECK(door.shows(R"(penstock_source_refused_total{code="413",source="web"} 2)"));
  CHECK(door.shows(R"(penstock_source_refused_total{code="400",source="web"} 1)"));
}

}  // namespace penstock::ingest
