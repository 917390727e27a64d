#pragma once
// One destination on the test's own thread: log and other end in memory, time by hand, the store real.

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/delivery/destination_runner.h"
#include "tests/fakes/fake_apps.h"
#include "tests/fakes/fake_destination.h"
#include "tests/fakes/manual_executor.h"
#include "tests/fakes/memory_log.h"

namespace penstock::delivery {

class TemporaryFolder {
 public:
  // In memory where there is such a place: these tests are about order, and syncing a disk thousands of times is a minute.
  TemporaryFolder() {
    const std::string parent = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ = parent + "/penstock-delivery-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string body_of(int number) { return R"({"event":"signup","n":)" + std::to_string(number) + "}"; }

// The bodies of the events numbered from `first` to `last`.
inline std::vector<std::string> bodies(int first, int last) {
  std::vector<std::string> made;
  for (int i = first; i <= last; ++i) made.push_back(body_of(i));
  return made;
}

inline Outcome outcome(Outcome::Kind kind, std::string code, std::optional<Duration> retry_after = {}) {
  return {.kind = kind, .code = code, .reason = "it said " + code, .retry_after = retry_after};
}
inline Outcome unavailable() { return outcome(Outcome::Kind::unavailable, "http_503"); }
inline Outcome rejected() { return outcome(Outcome::Kind::rejected, "http_400"); }
inline Outcome retry() { return outcome(Outcome::Kind::retry, "busy"); }

inline bool contains(const Batch& batch, const std::string& body) {
  return std::ranges::any_of(batch.events, [&](const EventView& event) { return event.body == body; });
}

// Refuses whatever has the guilty event in it.
inline fakes::FakeDestination::Answer refuse(std::string guilty) {
  return [guilty = std::move(guilty)](const Batch& batch) {
    return Outcomes::all(contains(batch, guilty) ? rejected() : Outcome::delivered());
  };
}

struct Rig {
  Rig() { open_store(); }
  ~Rig() { runner.reset(); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void open_store() {
    store.reset();
    auto opened = DeliveryStore::open(folder.path() + "/delivery", clock, env);
    store = std::move(opened).value();
  }
  void start(When when = {}) { start(Preparing{.when = std::move(when), .apps = nullptr}); }
  void start(fakes::FakeApps& apps) { start(Preparing{.when = {}, .apps = apps.make()}); }
  void start(Preparing preparing) {
    auto started = DestinationRunner::start({"crm", settings, crm.make(), std::move(preparing), {}, 7},
                                            {log, *store, clock, executor, *blocking, *storing, memory});
    runner = std::move(started).value();
    executor.run_ready();
  }
  // Adds the next `count` events in one record and lets everything run that can run now.
  void add(int count, const std::string& event = "signup") {
    std::vector<fakes::SampleEvent> events;
    for (int i = 0; i < count; ++i) {
      const int id = added % distinct_ids + 1;
      events.push_back({body_of(++added), event, "u" + std::to_string(id), {}});
    }
    log.add(LogName::events, events);
    wake();
  }
  void wake() {
    runner->wake();
    executor.run_ready();
  }
  void advance(Duration by) { executor.advance(by); }
  // Long enough for a batch to be sealed by age.
  void pass_within() { advance(settings.batch.within + Duration{1}); }

  // As kill -9 would: nothing is told to stop.
  void crash() {
    runner.reset();
    open_store();
  }

  std::vector<DeadLetter> dead() {
    std::vector<DeadLetter> letters;
    auto listed = store->dead_letters().list({}, {.limit = 10'000, .after = {}, .order = dead::Order::oldest_first});
    for (auto& each : listed.value()) letters.push_back(std::move(each.letter));
    return letters;
  }
  std::vector<std::string> dead_bodies() {
    std::vector<std::string> found;
    for (const auto& letter : dead()) found.push_back(letter.body);
    return found;
  }
  bool everything_settled() { return runner->settled(log.end(LogName::events)); }
  Health health() { return runner->status().condition.health; }

  TemporaryFolder folder;
  fakes::ManualClock clock;
  fakes::ManualExecutor executor{clock};
  Executor* blocking = &executor;  // of runners that are started from now on
  Executor* storing = &executor;
  fakes::MemoryLog log{clock};
  rocksdb::Env* env = nullptr;  // what the store stands on when it is opened the next time
  std::unique_ptr<DeliveryStore> store;
  fakes::FakeDestination crm;
  DestinationSettings settings;
  MemoryBudget* memory = nullptr;
  std::unique_ptr<DestinationRunner> runner;
  int added = 0;
  int distinct_ids = 1;  // that events have by turns
};

}  // namespace penstock::delivery
