#pragma once
// For tests of several workers: what stays when a process ends (the log, what derived state made of it, the lines of polled
// sources), workers over it, and one app that counts.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "pipeline/ingest/intake.h"
#include "pipeline/ingest/remember_uuids.h"
#include "pipeline/ingest/workers.h"
#include "pipeline/ports/memory_state.h"
#include "tests/fakes/fake_source.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::ingest {

// Counts the events of each distinct id in app.state, and makes the body "<source>/<distinct id>/<event>=<count>". Every event
// goes on under the distinct id `anonymous`: whose it was cannot be told from the log.
class Counting final : public Transform {
 public:
  explicit Counting(std::uint64_t version = 1) : version_(version) {}
  void begin_batch(Timestamp now, StateView* state) override {
    now_ = now;
    state_ = state;
  }
  void run(const json::ObjectIndex&, const Facts& facts, bool, Transformed& out) override {
    const auto before = state_->get("counts", facts.distinct_id, now_);
    const int count = before && *before ? std::stoi((*before)->value) + 1 : 1;
    out.kind = before ? Transformed::Kind::kept : Transformed::Kind::failed;
    out.state.assign(1, {"counts", std::string(facts.distinct_id), std::to_string(count), false, {}});
    made_ = fmt::format("{}/{}/{}={}", facts.source, facts.distinct_id, facts.event, count);
    out.events.assign(1, {facts, made_});
    out.events[0].facts.distinct_id = "anonymous";
  }
  bool holding() const override { return held; }
  std::uint64_t version() const override { return version_; }

  bool held = false;

 private:
  const std::uint64_t version_;
  Timestamp now_;
  StateView* state_ = nullptr;
  std::string made_;
};

// What commits have left behind.
class Derived final : public StateView {
 public:
  void apply(const LogRecord& changes) {
    const std::lock_guard lock(mutex_);
    for (const auto& moved : changes.positions) positions_[{moved.source, moved.partition}] = moved.position;
    rows_.apply(changes.state);
    dead_ += changes.dead.size();
  }
  std::vector<SourcePosition> positions_of(const std::string& source) const {
    const std::lock_guard lock(mutex_);
    std::vector<SourcePosition> found;
    for (const auto& [key, position] : positions_)
      if (key.first == source) found.push_back({key.first, key.second, position});
    return found;
  }
  Result<std::optional<StateValue>> get(std::string_view table, std::string_view key, Timestamp now) override {
    const std::lock_guard lock(mutex_);
    return rows_.get(table, key, now);
  }
  std::size_t dead() const {
    const std::lock_guard lock(mutex_);
    return dead_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string> positions_;
  MemoryState rows_;
  std::size_t dead_ = 0;
};

struct WorkersRig {
  static constexpr int kPartitions = 16;
  static constexpr int kFiles = 3;

  fakes::ManualClock clock;
  fakes::MemoryLog log{clock, kPartitions};
  Derived derived;
  fakes::FakeLines files[kFiles];
  CapturedIntake web{{.name = "web", .project = "shop", .paths = {}}, log, clock, {}, 1 << 20};
  std::map<std::string, int> sent;  // how many events, by "<source>/<distinct id>"
  std::vector<Counting*> chains;  // of the workers made last

  std::unique_ptr<Workers> workers(std::size_t count, std::size_t commit_events = 5) {
    std::vector<PolledInput> polled;
    for (int n = 0; n < kFiles; ++n)
      polled.push_back({{.name = fmt::format("file{}", n), .project = "shop", .paths = {}},
                        std::make_unique<fakes::FakeSource>(files[n]),
                        {}});
    std::vector<PushedInput> pushed;
    pushed.push_back({{.name = "web", .project = "shop", .paths = {}}, {}});
    auto made = std::make_unique<Workers>(
        log, clock, [this](const std::string& source) { return derived.positions_of(source); },
        [this](std::uint64_t, const LogRecord& changes) { derived.apply(changes); }, derived, make_chains(count, 1),
        std::move(polled), pushed, DedupSettings{}, WorkerOptions{.commit = {.events = commit_events}}, WorkerMetrics{});
    REQUIRE(made->open());
    return made;
  }

  // One share of what is pushed, as a process has it in a group.
  std::unique_ptr<Workers> shard(PartitionShare share, std::size_t uuids_max, UuidsOfLog& uuids) {
    std::vector<PushedInput> pushed;
    pushed.push_back({{.name = "web", .project = "shop", .paths = {}}, {}});
    auto made = std::make_unique<Workers>(
        log, clock, [this](const std::string& source) { return derived.positions_of(source); },
        [this](std::uint64_t, const LogRecord& changes) { derived.apply(changes); }, derived, make_chains(1, 1),
        std::vector<PolledInput>(), pushed, DedupSettings{.uuids_max = uuids_max},
        WorkerOptions{.commit = {}, .share = share, .uuids_of_log = &uuids}, WorkerMetrics{});
    REQUIRE(made->open());
    return made;
  }

  std::vector<std::unique_ptr<Transform>> make_chains(std::size_t count, std::uint64_t version) {
    std::vector<std::unique_ptr<Transform>> made;
    chains.clear();
    for (std::size_t i = 0; i < count; ++i) {
      auto chain = std::make_unique<Counting>(version);
      chains.push_back(chain.get());
      made.push_back(std::move(chain));
    }
    return made;
  }

  // The next event of a distinct id, named by its number.
  std::string event(const std::string& source, const std::string& who) {
    const int number = ++sent[source + "/" + who];
    return fmt::format(R"({{"event":"{}","distinct_id":"{}"}})", number, who);
  }
  void push(const std::vector<std::string>& bodies) {
    PushedRecords records;
    for (const auto& body : bodies) records.text += body;
    std::size_t at = 0;
    for (const auto& body : bodies) {
      records.bodies.push_back(std::string_view(records.text).substr(at, body.size()));
      at += body.size();
    }
    web.push(std::move(records), [](const Result<Accepted>& answer) { CHECK(answer.has_value()); });
  }
  void push_of(const std::vector<std::string>& people) {
    std::vector<std::string> bodies;
    for (const auto& who : people) bodies.push_back(event("web", who));
    push(bodies);
  }
  void add_line(int file, const std::string& who) { files[file].lines.push_back(event(fmt::format("file{}", file), who)); }
  void send_something(std::mt19937_64& random) {
    const auto somebody = [&] { return fmt::format("u{}", random() % 20); };
    if (random() % 2 == 0) return add_line(static_cast<int>(random() % kFiles), somebody());
    std::vector<std::string> people;
    for (auto left = random() % 6 + 1; left > 0; --left) people.push_back(somebody());
    push_of(people);
  }
  // A distinct id whose events belong to that worker.
  std::string somebody_of(int worker, int of) const {
    for (int n = 0;; ++n) {
      const std::string who = fmt::format("p{}", n);
      Facts facts;
      facts.project = "shop";
      facts.distinct_id = who;
      if (partition_of(facts, kPartitions) % of == worker) return who;
    }
  }

  static void step_all(Workers& workers, int times) {
    for (; times > 0; --times)
      for (std::size_t i = 0; i < workers.size(); ++i) REQUIRE(workers.worker(i).step());
  }
  static void run_until_idle(Workers& workers) {
    for (int rounds = 0; rounds < 5000 && !workers.idle(); ++rounds) step_all(workers, 1);
    REQUIRE(workers.idle());
  }

  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const auto& record : log.records(LogName::events))
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i) all.emplace_back(chunk->body(i).value());
    return all;
  }
  // Of each source and distinct id the n-th event in the log is the n-th that was sent, and its count is n.
  void check_all_there_once_in_order() const {
    std::map<std::string, int> seen;
    for (const std::string& body : bodies()) {
      const std::string whose = body.substr(0, body.rfind('/'));
      const int n = ++seen[whose];
      CHECK(body == fmt::format("{}/{}={}", whose, n, n));
    }
    CHECK(seen == sent);
  }
};

}  // namespace penstock::ingest
