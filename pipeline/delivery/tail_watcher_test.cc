#include "pipeline/delivery/tail_watcher.h"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "pipeline/base/thread_pool.h"
#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;

bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);  // polls the condition
  }
  return true;
}

}  // namespace

TEST_CASE("with real threads events go from the log to the destination, and all comes to an end") {
  const TemporaryFolder folder;
  fakes::MemoryLog log(system_clock());
  fakes::FakeDestination crm;
  const auto store = DeliveryStore::open(folder.path(), system_clock()).value();
  ThreadPool pool("delivery", 2);
  ThreadPool blocking("blocking", 1);
  DestinationSettings settings;
  settings.batch.within = Duration{5};
  const auto runner = DestinationRunner::start({"crm", settings, crm.make(), {}, {}, 1},
                                               {log, *store, system_clock(), pool, blocking, blocking})
                          .value();
  std::optional<TailWatcher> watcher(std::in_place, log, LogName::events, [&] { runner->wake(); });

  std::vector<std::string> expected;
  for (int record = 0; record < 20; ++record) {
    std::vector<fakes::SampleEvent> events;
    for (int i = 0; i < 100; ++i) events.push_back({expected.emplace_back(body_of(record * 100 + i)), "signup", "u1", {}});
    log.add(LogName::events, events);
    if (record % 5 == 0) CHECK(comes_true([&] { return runner->settled(log.end(LogName::events)); }));  // several looks
  }
  CHECK(comes_true([&] { return runner->settled(log.end(LogName::events)); }));
  CHECK(crm.delivered() == expected);

  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;
  runner->stop(Duration{5000}, [&] {
    const std::lock_guard lock(mutex);
    stopped = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, 10s, [&] { return stopped; }));
  CHECK(crm.violations().empty());
  CHECK(store->cursor("crm").value()->next == log.end(LogName::events));
  watcher.reset();
}

}  // namespace penstock::delivery
