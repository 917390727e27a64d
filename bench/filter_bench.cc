// links: delivery scripting_transform fakes benchmark::benchmark benchmark::benchmark_main
// What an event costs a destination that does not want it: passed over by `events:`, or asked by a `when:` that says no. Events of
// about 520 bytes in records of a thousand, already decoded, as every destination but the first one finds them.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "bench/web_events.h"
#include "pipeline/delivery/feed.h"
#include "pipeline/delivery/preparation.h"
#include "pipeline/scripting/transform/condition.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::delivery {
namespace {

constexpr int kEvents = 20'000;
constexpr int kInRecord = 1000;

struct Filled {
  Filled() : log(clock, 1) {
    std::mt19937_64 random(42);
    std::vector<fakes::SampleEvent> record;
    for (int i = 0; i < kEvents; ++i) {
      record.push_back(
          {.body = bench::small_event(random, i), .event = "event " + std::to_string(i % 10), .received_at = {}});
      if (record.size() == kInRecord) log.add(LogName::events, std::exchange(record, {}));
    }
  }

  fakes::ManualClock clock;
  fakes::MemoryLog log;
};

// One name of ten is wanted, or a tenth of the events by two globs.
void by_events(benchmark::State& state, const std::vector<std::string>& patterns) {
  Filled filled;
  const EventFilter filter(patterns);
  std::uint64_t passed = 0;
  for (auto _ : state) {
    Feed feed(filled.log, filter, {0});
    for (;;) {
      const auto step = feed.next();
      if (!step) return state.SkipWithError("the log cannot be read");
      if (*step == Feed::Step::end) break;
      if (*step == Feed::Step::event) feed.take();
    }
    passed += feed.collect_filtered();
  }
  if (passed != static_cast<std::uint64_t>(state.iterations()) * kEvents / 10 * 9)
    state.SkipWithError("not nine of ten events were passed over");
  state.SetItemsProcessed(static_cast<std::int64_t>(passed));
}
BENCHMARK_CAPTURE(by_events, name, std::vector<std::string>{"event 3"});
BENCHMARK_CAPTURE(by_events, globs, std::vector<std::string>{"signup*", "event 3*"});

void by_when(benchmark::State& state, const char* expression) {
  Filled filled;
  auto condition = scripting::Condition::compile(expression);
  if (!condition) return state.SkipWithError(condition.error().message.c_str());
  Preparing parts;
  parts.when = [&](std::string_view body, const Facts& facts) { return condition->eval(body, facts); };
  Preparation preparation(std::move(parts));
  const auto records = filled.log.records(LogName::events);
  std::int64_t refused = 0;
  for (auto _ : state)
    for (const auto& record : records)
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i)
          refused += preparation.prepare({chunk->facts(i), *chunk->body(i)}).kind == Prepared::Kind::filtered;
  if (refused != state.iterations() * kEvents) state.SkipWithError("the condition did not refuse every event");
  state.SetItemsProcessed(refused);
}
BENCHMARK_CAPTURE(by_when, fact, "facts.event == 'nobody'");
BENCHMARK_CAPTURE(by_when, field, "event.token == 'nobody'");
BENCHMARK_CAPTURE(by_when, nested_field, "event.properties.plan == 'free'");

}  // namespace
}  // namespace penstock::delivery
