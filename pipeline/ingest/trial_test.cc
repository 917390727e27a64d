// What comes of events while an app that failed too often is tried again.

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <thread>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
using namespace testing;

namespace {

// What a test does with the app, and sees of it.
struct App {
  bool broken = true;  // fails on everything; otherwise on what is called "poison…"
  Standing standing = Standing::on_trial;
  int window = 10;  // it is judged after so many events
  int seen = 0, failed = 0, given_up = 0;
  std::vector<std::string> distrusted;
};

// An app that counts every event in state; held by its own hand until the test says that it is tried again.
class Tried final : public Transform {
 public:
  explicit Tried(App& app) : app_(app) {}
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    const bool fails = app_.broken || facts.event.starts_with("poison");
    out.events.clear();
    out.state.clear();
    out.kind = fails ? Transformed::Kind::failed : Transformed::Kind::kept;
    if (!fails) out.events.assign(1, {facts, body.text()});
    if (!fails) out.state.push_back({"seen", std::string(facts.distinct_id), "1", false, {}});
    app_.failed += fails ? 1 : 0;
    if (++app_.seen >= app_.window) judge();
  }
  bool holding() const override { return app_.standing == Standing::out; }
  bool on_trial() const override { return app_.standing != Standing::good; }
  Standing standing() const override { return app_.standing; }
  void judge() override {
    if (app_.standing != Standing::on_trial || app_.seen == 0) return;
    if (2 * app_.failed > app_.seen) app_.standing = Standing::out;
    else if (app_.seen >= app_.window) app_.standing = Standing::good;
  }
  void give_up_batch() override {
    ++app_.given_up;
    app_.seen = app_.failed = 0;
  }
  std::vector<std::string> distrusted() const override { return {"tried"}; }
  void distrust(const std::vector<std::string>& names) override { app_.distrusted = names; }
  std::uint64_t version() const override { return 7; }

 private:
  App& app_;
};

void steps(Worker& worker, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(worker.step());
}

std::vector<std::string> lines(const std::string& event, int from, int to) {
  std::vector<std::string> all;
  for (int n = from; n < to; ++n) all.push_back(line(event, n));
  return all;
}

std::size_t state_changes(const Bench& bench) {
  std::size_t changes = 0;
  for (const auto& record : bench.log.records(LogName::events)) changes += record->state.size();
  return changes;
}

}  // namespace

TEST_CASE("an app that fails again leaves no trace of its trial, and what it was tried with is read when it is mended") {
  Bench bench;
  bench.lines.lines = lines("a", 100, 140);
  const auto worker = bench.worker();
  App app;
  worker->set_chain(std::make_unique<Tried>(app));
  for (int trial = 1; trial <= 3; ++trial) {
    app.standing = Standing::on_trial;
    steps(*worker, 30);
    CHECK(app.standing == Standing::out);
    CHECK(app.given_up == trial);
    CHECK(worker->holding());
    CHECK_FALSE(worker->idle());
  }
  CHECK(bench.log.records(LogName::events).empty());
  CHECK(bench.dead.empty());
  CHECK(bench.positions.empty());
  CHECK(worker->counts().dead == 0);
  app.broken = false;
  app.standing = Standing::on_trial;
  run_until_idle(*worker);
  CHECK(bench.bodies() == lines("a", 100, 140));
  CHECK(bench.dead.empty());
  CHECK(worker->counts().kept == 40);
  CHECK(state_changes(bench) == 40);
}

TEST_CASE("one poisonous event at the head of what waits is a dead letter once the app does well with the others") {
  Bench bench;
  bench.lines.lines = lines("poison", 100, 101);
  const auto worker = bench.worker();
  App app;
  app.broken = false;
  worker->set_chain(std::make_unique<Tried>(app));
  steps(*worker, 30);
  CHECK(app.standing == Standing::out);
  CHECK_MESSAGE(bench.dead.empty(), "by itself it looks as if the app were broken");
  for (const auto& body : lines("a", 101, 120)) bench.lines.lines.push_back(body);
  app.standing = Standing::on_trial;
  run_until_idle(*worker);
  CHECK(app.standing == Standing::good);
  CHECK(bench.bodies() == lines("a", 101, 120));
  REQUIRE(bench.dead.size() == 1);
  CHECK(bench.dead[0].body == line("poison", 100));
}

TEST_CASE("too few events for a verdict are committed when the app does well with them") {
  Bench bench;
  bench.lines.lines = lines("a", 100, 103);
  const auto worker = bench.worker();
  App app;
  app.broken = false;
  worker->set_chain(std::make_unique<Tried>(app));
  run_until_idle(*worker);
  CHECK(app.standing == Standing::on_trial);
  CHECK(bench.bodies() == lines("a", 100, 103));
}

TEST_CASE("what was pushed is tried as well, and is not taken for a duplicate when it comes again") {
  Bench bench;
  const auto with_uuid = [](int n) {
    return fmt::format(R"({{"event":"{}","distinct_id":"u","uuid":"01890a5d-ac96-774b-bcce-b302099a{:04}"}})",
                       n % 2 == 0 ? "poison" : "a", n);
  };
  CapturedIntake intake({.name = "web", .project = "shop", .paths = {}}, bench.log, bench.clock, {}, 1 << 20);
  const auto worker = bench.worker(false);
  App app;
  app.broken = false;
  worker->set_chain(std::make_unique<Tried>(app));
  for (int n = 0; n < 4; n += 2) REQUIRE(push(intake, {with_uuid(n), with_uuid(n + 1), with_uuid(n + 4), with_uuid(n + 6)}));
  steps(*worker, 30);
  CHECK(app.standing == Standing::out);
  CHECK(bench.log.records(LogName::events).empty());
  CHECK(worker->captured_committed() == 0);
  for (int n = 11; n < 21; n += 2) REQUIRE(push(intake, {with_uuid(n)}));
  app.window = 9;
  app.standing = Standing::on_trial;
  steps(*worker, 30);
  CHECK(app.standing == Standing::out);
  app.window = 100;
  app.failed = -10;
  app.standing = Standing::on_trial;
  run_until_idle(*worker);
  CHECK(bench.bodies().size() == 7);
  CHECK(bench.dead.size() == 6);
  CHECK(worker->counts().duplicates == 0);
}

TEST_CASE("what was committed before an app failed stays, and what it fails on then is a dead letter as before") {
  Bench bench;
  bench.lines.lines = lines("a", 100, 102);
  const auto worker = bench.worker();
  App app;
  app.standing = Standing::good;
  worker->set_chain(std::make_unique<Tried>(app));
  steps(*worker, 1);
  app.standing = Standing::out;
  steps(*worker, 10);
  CHECK(bench.dead.size() == 2);
  CHECK(app.given_up == 0);
}

TEST_CASE("a stop in the middle of a trial commits nothing of it") {
  Bench bench;
  bench.lines.lines = lines("a", 100, 104);
  const auto worker = bench.worker();
  App app;
  worker->set_chain(std::make_unique<Tried>(app));
  steps(*worker, 1);
  REQUIRE(app.seen > 0);
  REQUIRE(app.standing == Standing::on_trial);
  std::stop_source stop;
  stop.request_stop();
  REQUIRE(worker->run(stop.get_token()));
  CHECK(bench.log.records(LogName::events).empty());
  CHECK(app.given_up == 1);
}

TEST_CASE("apps that take over from a chain on trial hear which of them failed before") {
  Bench bench;
  const auto worker = bench.worker();
  App before, after;
  worker->set_chain(std::make_unique<Tried>(before));
  steps(*worker, 1);
  worker->set_chain(std::make_unique<Tried>(after));
  steps(*worker, 1);
  CHECK(after.distrusted == std::vector<std::string>{"tried"});
}

}  // namespace penstock::ingest
