// Thousands of runs of intake, ingest and delivery, each a function of its seed: two thousand, or the test fails.
// PENSTOCK_SIMULATION_SEED=17 runs that one alone and prints what happens in it; PENSTOCK_SIMULATION_SECONDS says how long seeds
// are tried; PENSTOCK_TEST_LONG makes it minutes.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <stdexcept>

#include "pipeline/base/log.h"
#include "tests/simulation/simulation.h"

namespace penstock::simulation {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kRuns = 2000;
constexpr std::chrono::seconds kSecondsForRuns{300};  // on a machine that has much else to do
constexpr std::chrono::seconds kSecondsLong{300};
constexpr std::uint64_t kSeedsWithFault = 200;
constexpr unsigned kSecondsStuck = 60;  // of the machine's time, for one run
constexpr std::uint64_t kRunsOfStore = 50;  // then a new one: what was deleted still slows it down

std::uint64_t running = 0;

// A failed CHECK, a sanitizer, or a wait that never ends: the process ends here, and the seed must be known.
void tell_seed(int signal) {
  char line[160];
  const int size = std::snprintf(line, sizeof line,
                                 "\n%s in the run of seed %llu; again, with its trace:\n"
                                 "  PENSTOCK_SIMULATION_SEED=%llu build/dev/tests/simulation/simulation_test\n",
                                 signal == SIGALRM ? "stuck" : "died", static_cast<unsigned long long>(running),
                                 static_cast<unsigned long long>(running));
  if (write(STDERR_FILENO, line, static_cast<std::size_t>(size)) < 0) _exit(3);
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

// Delivery's store, real, in memory where there is such a place, and used by many runs: opening one takes longer than a run.
class Store {
 public:
  Store() {
    const std::string parent = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    folder_ = parent + "/penstock-simulation-XXXXXX";
    if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("cannot make " + folder_);
  }
  ~Store() {
    open_.reset();
    std::filesystem::remove_all(folder_);
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  delivery::DeliveryStore& cleared() {
    if (runs_++ % kRunsOfStore == 0) {
      open_.reset();
      std::filesystem::remove_all(folder_);
      open_ = delivery::DeliveryStore::open(folder_, clock_).value();
    }
    forget_destinations(*open_);
    return *open_;
  }

 private:
  std::string folder_;
  fakes::ManualClock clock_;
  std::unique_ptr<delivery::DeliveryStore> open_;
  std::uint64_t runs_ = 0;
};

// True: it kept every promise.
bool run(std::uint64_t seed, Store& store, Traced traced) {
  running = seed;
  alarm(kSecondsStuck);
  const auto wrong = Simulation(seed, store.cleared(), traced).run();
  alarm(0);
  for (const auto& each : wrong) MESSAGE(each);
  CHECK_MESSAGE(wrong.empty(), "seed ", seed, "; again, with its trace:\n  PENSTOCK_SIMULATION_SEED=", seed,
                " build/dev/tests/simulation/simulation_test");
  return wrong.empty();
}

}  // namespace

TEST_CASE("whatever fails, what was accepted arrives, and a seed says how") {
  silence_log();
  std::signal(SIGABRT, tell_seed);
  std::signal(SIGALRM, tell_seed);
  Store store;
  if (const char* given = std::getenv("PENSTOCK_SIMULATION_SEED")) {
    run(std::strtoull(given, nullptr, 10), store, Traced::printed);
    return;
  }
  std::optional<std::chrono::seconds> budget;
  if (std::getenv("PENSTOCK_TEST_LONG") != nullptr) budget = kSecondsLong;
  if (const char* given = std::getenv("PENSTOCK_SIMULATION_SECONDS")) budget = std::chrono::seconds(std::atoi(given));
  const auto end = steady_clock::now() + budget.value_or(kSecondsForRuns);
  const std::uint64_t first = std::random_device()();
  std::uint64_t seeds = 0;
  bool kept = true;
  for (; kept && steady_clock::now() < end && (budget || seeds < kRuns); ++seeds)
    kept = run(first + seeds, store, Traced::no);
  MESSAGE(seeds, " seeds from ", first);
  if (kept && !budget) CHECK(seeds == kRuns);
}

TEST_CASE("a seed says everything: two runs of it have one trace") {
  silence_log();
  Store store;
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    CAPTURE(seed);
    std::string traces[2];
    for (auto& each : traces) {
      Simulation simulation(seed, store.cleared(), Traced::kept);
      CHECK(simulation.run().empty());
      each = simulation.trace().kept();
    }
    CHECK_FALSE(traces[0].empty());
    CHECK(traces[0] == traces[1]);
  }
}

TEST_CASE("a cursor that has passed one event too many is found") {
  silence_log();
  Store store;
  const std::uint64_t first = std::random_device()();
  for (std::uint64_t seed = first; seed < first + kSeedsWithFault; ++seed) {
    const auto wrong = Simulation(seed, store.cleared(), Traced::no, Planted::cursor_too_far).run();
    if (std::ranges::any_of(wrong, [](const std::string& each) { return each.ends_with("is lost"); })) return;
  }
  FAIL("no run in ", kSeedsWithFault, " seeds from ", first, " has lost an event");
}

}  // namespace penstock::simulation
