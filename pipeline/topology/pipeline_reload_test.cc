// What a reload keeps while destinations come and go.

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "connectors/logs/local/local_log.h"
#include "pipeline/base/folder_watch.h"
#include "pipeline/config/lookup.h"
#include "pipeline/delivery/delivery_store.h"
#include "pipeline/ports/posix_disk.h"
#include "pipeline/topology/pipeline.h"
#include "pipeline/topology/steering.h"
#include "tests/conformance/sample_records.h"

namespace penstock::topology {
namespace {

namespace fs = std::filesystem;

// Takes writes and answers none of them before it is closed.
class FrozenDestination final : public Destination {
 public:
  struct Config {
    int mark = 0;  // another one is another configuration
    static constexpr auto fields() { return std::tuple{config::field("mark", &Config::mark, "Anything.")}; }
  };
  static constexpr std::string_view kSummary = "Never answers.";
  static constexpr std::string_view kExample = "";

  FrozenDestination(Config, const ConnectorContext&) {}
  ~FrozenDestination() override { close(); }

  Result<void> connect(std::stop_token) override { return {}; }
  void submit(Batch, Completion done) override {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(done));
  }
  void close() override {
    std::vector<Completion> waiting;
    {
      const std::lock_guard lock(mutex_);
      waiting.swap(waiting_);
    }
    for (auto& done : waiting)
      done(Outcomes::all({.kind = Outcome::Kind::unavailable, .code = "closed", .reason = "closed", .retry_after = {}}));
  }

 private:
  std::mutex mutex_;
  std::vector<Completion> waiting_;
};

// Calls the test while it is built, which is while a reload prepares.
class ToldDestination final : public Destination {
 public:
  struct Config {
    int mark = 0;
    static constexpr auto fields() { return std::tuple{config::field("mark", &Config::mark, "Anything.")}; }
  };
  static constexpr std::string_view kSummary = "Tells when it is built.";
  static constexpr std::string_view kExample = "";
  static inline std::function<void()> built;

  ToldDestination(Config, const ConnectorContext&) {
    if (built) built();
  }
  Result<void> connect(std::stop_token) override { return {}; }
  void submit(Batch, Completion done) override { done(Outcomes::all(Outcome::delivered())); }
  void close() override {}
};

// What the two below wait for.
struct Gate {
  void set(int& number, int to) {
    const std::lock_guard lock(mutex);
    number = to;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable_any changed;
  int connecting = 0;  // of those that hang, how many are in connect()
  int may_go = 0;
  std::vector<std::pair<std::size_t, Completion>> writes;  // not answered yet
};

// Hangs in connect() until it may go.
class HangingDestination final : public Destination {
 public:
  struct Config {
    static constexpr auto fields() { return std::tuple<>(); }
  };
  static constexpr std::string_view kSummary = "Hangs.";
  static constexpr std::string_view kExample = "";
  static inline Gate gate;

  HangingDestination(Config, const ConnectorContext&) {}
  Result<void> connect(std::stop_token stop) override {
    std::unique_lock lock(gate.mutex);
    ++gate.connecting;
    gate.changed.notify_all();
    gate.changed.wait(lock, std::move(stop), [] { return gate.may_go > 0; });
    return {};
  }
  void submit(Batch, Completion done) override { done(Outcomes::all(Outcome::delivered())); }
  void close() override {}
};

// Keeps its writes for the test to answer.
class KeepingDestination final : public Destination {
 public:
  struct Config {
    static constexpr auto fields() { return std::tuple<>(); }
  };
  static constexpr std::string_view kSummary = "Keeps writes.";
  static constexpr std::string_view kExample = "";

  KeepingDestination(Config, const ConnectorContext&) {}
  ~KeepingDestination() override { close(); }
  Result<void> connect(std::stop_token) override { return {}; }
  void submit(Batch batch, Completion done) override {
    Gate& gate = HangingDestination::gate;
    const std::lock_guard lock(gate.mutex);
    gate.writes.emplace_back(batch.events.size(), std::move(done));
    gate.changed.notify_all();
  }
  void close() override { answer_all(); }
  // Each event is refused.
  static void answer_all() {
    Gate& gate = HangingDestination::gate;
    std::vector<std::pair<std::size_t, Completion>> writes;
    {
      const std::lock_guard lock(gate.mutex);
      writes.swap(gate.writes);
    }
    for (auto& [events, done] : writes) {
      Outcomes outcomes;
      outcomes.each.assign(events, {.kind = Outcome::Kind::rejected, .code = "no", .reason = "no", .retry_after = {}});
      done(std::move(outcomes));
    }
  }
};

constexpr int kEvents = 60;

// A data folder whose log `events` is three times as large as retention lets it be, and a configuration beside it.
struct Bench {
  Bench() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    registry.destinations.add<FrozenDestination>("frozen");
    registry.destinations.add<ToldDestination>("told");
    registry.destinations.add<HangingDestination>("hanging");
    registry.destinations.add<KeepingDestination>("keeping");
    const auto log = logs::local::LocalLog::open({.folder = data(), .partitions = 1, .segment_bytes = 1_MiB}, posix_disk(),
                                                 system_clock());
    REQUIRE(log.has_value());
    for (int i = 0; i < kEvents; ++i) {
      std::string text(50'000, ' ');
      for (char& c : text) c = static_cast<char>('a' + std::rand() % 26);  // so that it stays long when it is compressed
      LogRecord record;
      record.chunks.push_back(conformance::sample_chunk_of(0, R"({"event":")" + text + R"("})"));
      REQUIRE(conformance::append_and_wait(**log, LogName::events, std::move(record)).has_value());
    }
  }
  ~Bench() {
    pipeline.reset();
    fs::remove_all(folder);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  std::string data() const { return folder + "/data"; }

  PipelinePlan plan(const std::string& destinations) const {
    const std::string file = folder + "/penstock.yaml";
    std::ofstream(file) << "data: data\n"
                           "log: { partitions: 1, segment: 1MiB, retention: { free_min: 0B, events: { bytes: 1MiB } } }\n"
                           "sources: []\n"
                           "destinations:\n"
                        << destinations;
    auto planned = plan_pipeline(file, {registry, config::process_lookup(), {}});
    REQUIRE_MESSAGE(planned.plan.has_value(), (planned.problems.empty() ? "" : planned.problems.front().to_string()));
    return *std::move(planned.plan);
  }
  void start(const std::string& destinations) {
    auto started = Pipeline::start(plan(destinations), registry);
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message));
    pipeline = *std::move(started);
  }
  std::uint64_t kept() const { return pipeline->status().events.events; }

  std::string folder = (fs::temp_directory_path() / "penstock-reload-XXXXXX").string();
  Registry registry;
  std::unique_ptr<Pipeline> pipeline;
};

std::string held(int mark) {
  return "  - { name: crm, type: frozen, mark: " + std::to_string(mark) + ", from: earliest, hold: true, drain: 2500ms }\n";
}

}  // namespace

TEST_CASE("a destination that holds is held for while a reload restarts it, and one that holds no more is not") {
  Bench bench;
  bench.start(held(1));
  CHECK(bench.kept() == kEvents);
  const auto reloaded = bench.pipeline->reload(bench.plan(held(2)));  // waits for it to drain, longer than retention waits
  REQUIRE_MESSAGE(reloaded.has_value(), (reloaded ? "" : reloaded.error().message));
  CHECK(bench.kept() == kEvents);
  CHECK(bench.pipeline->status().destinations.front().skipped == 0);
  auto files = FolderWatch::create().value();
  REQUIRE(files.watch({bench.data() + "/log/events"}).has_value());
  REQUIRE(
      bench.pipeline->reload(bench.plan("  - { name: crm, type: frozen, from: earliest, drain: 2500ms }\n")).has_value());
  while (bench.kept() == kEvents) {  // until retention, which looks once a second, has removed a file
    pollfd removed{.fd = files.descriptor(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&removed, 1, 20'000) == 1);
    files.changed(system_clock().steady());
  }
  CHECK(bench.kept() < kEvents);
}

TEST_CASE("a destination that a reload could not start is told as stopped, with the reason, until one starts it") {
  Bench bench;
  {
    // As of a log with another number of partitions: what keeps its runner from starting.
    const auto store = delivery::DeliveryStore::open(bench.data() + "/delivery", system_clock());
    REQUIRE(store.has_value());
    REQUIRE((*store)->save_cursor("shop", Offsets{1, 2}, delivery::Sync::yes).has_value());
  }
  const std::string crm = "  - { name: crm, type: frozen, from: now, drain: 1s }\n";
  const std::string shop = "  - { name: shop, type: frozen, from: now, drain: 1s }\n";
  bench.start(crm);
  CHECK(bench.pipeline->status().healthy);
  const auto refused = bench.pipeline->reload(bench.plan(crm + shop));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("destination shop: its cursor is over 2 partitions") != std::string::npos);
  const auto status = bench.pipeline->status();
  REQUIRE(status.destinations.size() == 2);
  CHECK(status.destinations[1].name == "shop");
  CHECK(status.destinations[1].type == "frozen");
  CHECK(status.destinations[1].health == "stopped");
  CHECK_FALSE(status.healthy);
  CHECK(status.verdict.find("shop is stopped (destination shop: its cursor is over 2 partitions, but the log has 1; "
                            "`penstock reload` tries again)") == 0);
  // Orders are for when it starts.
  Steering& steering = bench.pipeline->steering();
  CHECK(steering.pause("shop", "not yet"));
  CHECK(steering.resume("shop"));
  CHECK(steering.pause("shp", "").error().kind == ErrorKind::not_found);
  CHECK(steering.cancel_replay("shop").error().kind == ErrorKind::unavailable);
  REQUIRE(bench.pipeline->reload(bench.plan(crm)).has_value());
  CHECK(bench.pipeline->status().destinations.size() == 1);
  CHECK(bench.pipeline->status().healthy);
}

TEST_CASE("what a destination is told while a reload prepares its successor, the successor goes by") {
  Bench bench;
  const auto both = [](int mark) {
    const std::string crm = "  - { name: crm, type: frozen, from: now, drain: 1s, mark: " + std::to_string(mark) + " }\n";
    return crm + "  - { name: last, type: told, from: now, mark: " + std::to_string(mark) + " }\n";
  };
  bench.start(both(1));
  Steering& steering = bench.pipeline->steering();
  const auto reload_while = [&](int mark, std::function<void()> told) {
    ToldDestination::built = std::move(told);
    const auto reloaded = bench.pipeline->reload(bench.plan(both(mark)));
    ToldDestination::built = nullptr;
    REQUIRE_MESSAGE(reloaded.has_value(), (reloaded ? "" : reloaded.error().message));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto crm = bench.pipeline->status().destinations.front();
    // It begins on a thread of its own.
    for (; crm.health == "starting" && std::chrono::steady_clock::now() < until; std::this_thread::yield())
      crm = bench.pipeline->status().destinations.front();
    return crm;
  };
  auto crm = reload_while(2, [&] {
    REQUIRE(steering.pause("crm", "hands off"));
    REQUIRE(steering.replay("crm", {.from = "earliest", .to = "now", .where = {}, .rate = 1}).has_value());
  });
  CHECK(crm.health == "paused");
  CHECK(crm.reason == "hands off");
  CHECK(crm.replay_left.has_value());
  crm = reload_while(3, [&] {
    REQUIRE(steering.cancel_replay("crm"));
    REQUIRE(steering.resume("crm"));
  });
  CHECK(crm.health != "paused");
  CHECK_FALSE(crm.replay_left.has_value());
}

TEST_CASE("dead letters of one destination are stored while more than there are threads for hang in connect()") {
  Bench bench;
  Gate& gate = HangingDestination::gate;
  const std::string crm = "  - { name: crm, type: keeping, from: earliest, drain: 1s }\n";
  bench.start(crm);
  std::string all = crm;
  for (int i = 0; i < 6; ++i) all += "  - { name: hung-" + std::to_string(i) + ", type: hanging, drain: 1s }\n";
  const auto wait_until = [&](auto what) {
    std::unique_lock lock(gate.mutex);
    REQUIRE(gate.changed.wait_for(lock, std::chrono::seconds(20), what));
  };
  wait_until([&] { return !gate.writes.empty(); });
  REQUIRE(bench.pipeline->reload(bench.plan(all)).has_value());
  wait_until([&] { return gate.connecting == 4; });
  KeepingDestination::answer_all();
  const auto dead = [&] { return bench.pipeline->status().destinations.front().dead; };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (dead() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(dead() > 0);
  gate.set(gate.may_go, 1);
  bench.pipeline.reset();
}

}  // namespace penstock::topology
