#pragma once
// For tests of this folder: a worker over a log in memory, with input that the test writes.

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/event/sent_again.h"
#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/remember_uuids.h"
#include "pipeline/ingest/worker.h"
#include "pipeline/ports/memory_state.h"
#include "tests/fakes/fake_source.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::ingest::testing {

// Keeps, drops, fails or multiplies an event by its name: "drop…", "fail…", "six…" and "flood…" do what they say.
class ByName final : public Transform {
 public:
  explicit ByName(std::uint64_t version = 1) : version_(version) {}
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    out.events.clear();
    out.kind = Transformed::Kind::kept;
    if (facts.event.starts_with("drop")) out.kind = Transformed::Kind::dropped;
    if (facts.event.starts_with("fail")) {
      out.kind = Transformed::Kind::failed;
      out.app = "by_name";
      out.code = "app_error";
      out.reason = "app.lua:1: it failed";
    }
    const std::size_t copies = facts.event.starts_with("flood") ? 1'000'001 : facts.event.starts_with("six") ? 6 : 1;
    if (out.kind == Transformed::Kind::kept) out.events.assign(copies, {facts, body.text()});
    for (std::uint32_t i = 0; copies == 6 && i < copies; ++i) out.events[i].facts.uuid = derived_uuid(facts.uuid, "six", i);
  }
  std::uint64_t version() const override { return version_; }

 private:
  std::uint64_t version_;
};

inline std::string line(const std::string& event, int n) {
  return R"({"event":")" + event + R"(","distinct_id":"u)" + std::to_string(n) + R"(","properties":{"n":)" +
         std::to_string(n) + "}}";
}

// A worker over a log in memory, and what derived state would keep.
struct Bench {
  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};
  std::vector<SourcePosition> positions;
  std::vector<DeadLetter> dead;
  MemoryState state;
  WorkerMetrics metrics;
  fakes::FakeLines lines;
  std::unique_ptr<SeenUuids> seen;  // of the worker made last

  std::unique_ptr<Worker> worker(bool with_lines = true, WorkerOptions options = {}) {
    std::vector<PolledInput> polled;
    if (with_lines)
      polled.push_back({{.name = "lines", .project = "shop", .paths = {}}, std::make_unique<fakes::FakeSource>(lines), {}});
    std::vector<PushedInput> pushed;
    pushed.push_back({{.name = "web", .project = "shop", .paths = {}}, {}});
    seen = std::make_unique<SeenUuids>(DedupSettings{});
    REQUIRE(remember_uuids(*seen, log, clock));
    auto made = std::make_unique<Worker>(
        log, clock, [this](const std::string& source) { return of(source); },
        [this](std::uint64_t, const LogRecord& changes) { keep(changes); }, state, *seen, std::make_unique<ByName>(),
        std::move(polled), std::move(pushed), options, metrics);
    REQUIRE(made->open());
    return made;
  }

  std::vector<SourcePosition> of(const std::string& source) const {
    std::vector<SourcePosition> found;
    std::ranges::copy_if(positions, std::back_inserter(found), [&](const auto& p) { return p.source == source; });
    return found;
  }

  void keep(const LogRecord& changes) {
    for (const auto& moved : changes.positions) {
      std::erase_if(positions, [&](const auto& p) { return p.source == moved.source && p.partition == moved.partition; });
      positions.push_back(moved);
    }
    for (const auto& letter : changes.dead) {
      if (is_mark(letter)) {
        std::erase_if(dead, [&](const auto& known) { return dead_letter_id(known) == dead_letter_id(letter); });
      } else {
        dead.push_back(letter);
      }
    }
  }

  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const auto& record : log.records(LogName::events))
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i) all.emplace_back(chunk->body(i).value());
    std::ranges::sort(all);
    return all;
  }
};

inline void run_until_idle(Worker& worker) {
  for (int steps = 0; steps < 1000 && !worker.idle(); ++steps) REQUIRE(worker.step());
  REQUIRE(worker.idle());
}

inline Result<Accepted> push(CapturedIntake& intake, std::vector<std::string> bodies) {
  PushedRecords records;
  for (const auto& body : bodies) records.text += body + "\n";
  std::size_t at = 0;
  for (const auto& body : bodies) {
    records.bodies.push_back(std::string_view(records.text).substr(at, body.size()));
    at += body.size() + 1;
  }
  Result<Accepted> answer = fail(ErrorKind::invalid, "not answered");
  intake.push(std::move(records), [&](Result<Accepted> given) { answer = std::move(given); });
  return answer;
}

}  // namespace penstock::ingest::testing
