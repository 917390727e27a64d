// links: scripting_transform ingest state fakes event
// What app.state costs an event: apps that read, write and count, over the rows of some 63,000 distinct ids in RocksDB, with a
// commit every 10,000 events as in ingest. The log is not part of it. The counts are checked at the end.

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "bench/web_events.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ingest/state_overlay.h"
#include "pipeline/scripting/transform/chain.h"
#include "pipeline/state/derived_state.h"
#include "tests/fakes/memory_log.h"

namespace {

using namespace penstock;
using namespace penstock::scripting;

constexpr std::size_t kEvents = 100'000;
constexpr std::size_t kBatch = 10'000;
constexpr int kPasses = 5;
constexpr Timestamp kNow{1'763'700'000'000};

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-bench-XXXXXX").string();
    path_ = mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::unique_ptr<Chain> chain_of(const Folder& folder, const std::string& lua) {
  AppEntry entry;
  entry.use = entry.name = entry.path = "app";
  entry.folder = folder.path() + "/app";
  std::filesystem::create_directories(entry.folder);
  std::ofstream(entry.folder + "/app.lua") << "local M = {}\nfunction M.transform(event, app)\n"
                                           << lua << "\nend\nreturn M\n";
  std::ofstream(entry.folder + "/app.yaml")
      << "name: app\nversion: 1.0.0\nsummary: For the benchmark.\npermissions: { state: true }\n";
  config::Problems problems;
  const auto plan = plan_chain({entry}, problems);
  if (plan == nullptr) {
    fmt::print(stderr, "{}\n", problems.front().to_string());
    std::exit(1);
  }
  return Chain::make(plan).value();
}

// Ingest without its log: events through a chain, changes into the overlay, commits into derived state.
class Ingest {
 public:
  explicit Ingest(const std::vector<std::string>& events)
      : events_(events),
        stored_(
            DerivedState::open({.folder = folder_.path() + "/state", .checkpoints = folder_.path() + "/checkpoints"}, log_)
                .value()),
        overlay_(*stored_) {}

  struct Cost {
    double event = 0, apply = 0;  // microseconds of CPU an event: on the worker's thread, and on the log's
  };
  Cost pass(Chain& chain) {
    Cost cost;
    for (std::size_t from = 0; from < kEvents; from += kBatch) {
      const auto start = bench::cpu_time();
      chain.begin_batch(kNow, &overlay_);
      for (std::size_t i = from; i < from + kBatch; ++i) one(chain, events_[i]);
      LogRecord record;
      record.state = overlay_.begin_commit();
      const auto collected = bench::cpu_time();
      stored_->apply(sequence_++, record).value();
      cost.event += std::chrono::duration<double, std::micro>(collected - start).count() / kEvents;
      cost.apply += std::chrono::duration<double, std::micro>(bench::cpu_time() - collected).count() / kEvents;
    }
    return cost;
  }
  const std::string& last_body() const { return last_; }

 private:
  void one(Chain& chain, const std::string& body) {
    const bool read = validator_.validate(body, index_).has_value();
    const auto facts = facts_.read(index_, {.source = "web", .partition = "0", .offset = 1}, kNow);
    if (read && facts) chain.run(index_, *facts, true, out_);
    if (!read || !facts || out_.kind != Transformed::Kind::kept) {
      fmt::print(stderr, "not kept: {}\n", out_.reason);
      std::exit(1);
    }
    overlay_.collect(out_.state);
    last_.assign(out_.events.front().body);
  }

  Folder folder_;
  const std::vector<std::string>& events_;
  fakes::MemoryLog log_{system_clock()};
  std::unique_ptr<DerivedState> stored_;
  ingest::StateOverlay overlay_;
  std::uint64_t sequence_ = 0;
  json::Validator validator_;
  json::ObjectIndex index_;
  FactReader facts_{{}, "shop"};
  Transformed out_;
  std::string last_;
};

// How often the last event's distinct id was seen in all passes.
std::string expected_count(const std::vector<std::string>& events) {
  const auto who = [](const std::string& body) {
    json::ObjectIndex index;
    json::index_object(body, index).value();
    return std::string(*json::find_path(index, "distinct_id"));
  };
  const std::string last = who(events.back());
  const auto times = std::ranges::count_if(events, [&](const std::string& body) { return who(body) == last; });
  return fmt::format("\"count\":{}}}", times * kPasses);
}

}  // namespace

int main() {
  std::mt19937_64 random(42);
  std::vector<std::string> events;
  for (std::size_t i = 0; i < kEvents; ++i) events.push_back(bench::small_event(random, static_cast<int>(i)));
  struct Kind {
    const char* name;
    const char* lua;
  };
  constexpr Kind kKinds[] = {
      {"no state", "event.count = 1 return event"},
      {"get of what is not there", "event.count = app.state.get('k') or 1 return event"},
      {"set", "app.state.set('k', event.event) event.count = 1 return event"},
      {"get and set", "event.count = app.state.get('k') or 1 app.state.set('k', 2) return event"},
      {"get and set of a table",
       "local v = app.state.get('k') or {n = 0} v.n = v.n + 1 app.state.set('k', v) event.count = v.n "
       "return event"},
      {"incr", "event.count = app.state.incr('k') return event"},
  };
  fmt::print("520 bytes an event, validation and facts included; median of {} passes over {} events\n", kPasses, kEvents);
  double without = 0;
  std::string last;
  for (const Kind& kind : kKinds) {
    const Folder folder;
    const auto chain = chain_of(folder, kind.lua);
    Ingest ingest(events);
    std::vector<double> event, apply;
    for (int pass = 0; pass < kPasses; ++pass) {
      const auto cost = ingest.pass(*chain);
      event.push_back(cost.event);
      apply.push_back(cost.apply);
    }
    std::ranges::sort(event);
    std::ranges::sort(apply);
    const double median = event[kPasses / 2];
    if (without == 0) without = median;
    fmt::print("  {:<28} {:5.2f} µs ({:.2f}-{:.2f})  {:+5.2f} µs; applied on the log's thread in {:.2f} µs\n", kind.name,
               median, event.front(), event.back(), median - without, apply[kPasses / 2]);
    last = ingest.last_body();
  }
  if (last.ends_with(expected_count(events))) return 0;
  fmt::print(stderr, "wrong count: {}\n", last);
  return 1;
}
