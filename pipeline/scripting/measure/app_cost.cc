#include "pipeline/scripting/measure/app_cost.h"

#include <algorithm>
#include <array>
#include <memory>

#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/ports/memory_state.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/transform/chain.h"

namespace penstock::scripting {
namespace {

constexpr int kRuns = 7;

// A validated event, ready to be run again and again.
struct Sample {
  std::string text;
  json::ObjectIndex index;
  FactReader reader{{}, "bench"};  // holds what facts point to
  Facts facts;
  bool canonical = false;
};

void no_log(LogLevel, std::string_view, std::string_view) {}

// Facts and indexes point into the samples, so these must not move.
using Samples = std::vector<std::unique_ptr<Sample>>;

Result<Samples> prepare(const std::vector<std::string>& texts) {
  Samples samples;
  json::Validator validator;
  for (const std::string& text : texts) {
    auto sample = std::make_unique<Sample>();
    sample->text = text;
    TRY(validator.validate(sample->text, sample->index));
    sample->text = sample->index.text();  // what the validator repaired is its own, and not kept
    TRY(json::index_object(sample->text, sample->index));
    const RecordPlace place{.source = "bench", .partition = "0", .offset = samples.size()};
    if (const auto read = sample->reader.read(sample->index, place, Timestamp{})) {
      sample->canonical = true;
      sample->facts = *read;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::shared_ptr<const ChainPlan> idle_plan() {
  auto plan = std::make_shared<ChainPlan>();
  AppPlan& app = plan->apps.emplace_back();
  app.name = "idle";
  app.source.files.push_back({"app", "app.lua", "return { transform = function(event) return event end }"});
  return plan;
}

// Nanoseconds an event, of each run, ascending.
class Timing {
 public:
  Timing(const Samples& samples, std::uint64_t events) : samples_(samples), events_(events) {}

  Result<std::vector<double>> run(const std::shared_ptr<const ChainPlan>& plan) {
    TRY_ASSIGN(const auto chain, Chain::make(plan, no_log));
    std::vector<double> times;
    MemoryState state;
    chain->begin_batch(Timestamp{1'767'225'600'000}, &state);
    pass(*chain, state, std::max<std::uint64_t>(events_ / 10, 1));  // warms caches and the free lists
    for (int i = 0; i < kRuns; ++i) {
      const auto start = std::chrono::steady_clock::now();
      pass(*chain, state, events_);
      const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
      times.push_back(took.count() / static_cast<double>(events_));
    }
    std::ranges::sort(times);
    return times;
  }

 private:
  void pass(Chain& chain, MemoryState& state, std::uint64_t events) {
    for (std::uint64_t i = 0; i < events; ++i) {
      const Sample& sample = *samples_[i % samples_.size()];
      chain.run(sample.index, sample.facts, sample.canonical, out_);
      if (!out_.state.empty()) state.apply(out_.state);
    }
  }

  const Samples& samples_;
  std::uint64_t events_;
  Transformed out_;
};

// Leaves out the samples on which the app fails.
Result<void> drop_failing(const std::shared_ptr<const ChainPlan>& plan, Samples& samples, AppCost& cost) {
  TRY_ASSIGN(const auto chain, Chain::make(plan, no_log));
  MemoryState state;
  chain->begin_batch(Timestamp{1'767'225'600'000}, &state);
  Transformed out;
  cost.failing = std::erase_if(samples, [&](const auto& sample) {
    chain->run(sample->index, sample->facts, sample->canonical, out);
    if (out.kind != Transformed::Kind::failed) return false;
    cost.failure = out.reason;
    return true;
  });
  if (samples.empty()) return fail(ErrorKind::invalid, "the app fails on every event: " + cost.failure);
  return {};
}

Result<void> count(const AppPlan& plan, const Samples& samples, AppCost& cost) {
  TRY_ASSIGN(const auto script, Script::load(plan, no_log, system_clock()));
  MemoryState state;
  StateJournal journal;
  journal.begin_batch(Timestamp{1'767'225'600'000}, &state);
  AppMetrics metrics;
  script->begin_batch(Timestamp{1'767'225'600'000}, journal, metrics);
  Arena arena;
  EventState event(arena);
  std::vector<StateChange> changes;
  const auto round = [&](bool counted) {
    for (const auto& sample : samples) {
      arena.reset();
      journal.begin_event(sample->facts);
      event.open(sample->index, sample->facts, sample->canonical);
      journal.begin_app();
      const auto returned = script->transform(event);
      changes.clear();
      journal.finish(changes);
      state.apply(changes);
      if (!counted) continue;
      cost.assigned_bytes += static_cast<double>(arena.used()) / static_cast<double>(samples.size());
      if (returned == Script::Returned::bodies) ++cost.rebuilt;
    }
  };
  round(false);  // what a script does once, at its first event, is no cost of each
  ScriptCounters counters(*script);
  TRY(counters.install());
  round(true);
  cost.counts = counters.counts();
  return {};
}

}  // namespace

std::string_view ordinary_event() {
  return R"({"event":"$pageview","distinct_id":"0190f3a2-7c1b-7d52-9e64-3b8f0c2d5a71","timestamp":"2026-08-01T10:00:00.123Z",)"
         R"("uuid":"0190f3a2-7c1b-7d52-9e64-3b8f0c2d5a72","properties":{"$current_url":"https://shop.example.com/products/42?utm_source=news&ref=mail",)"
         R"("$host":"shop.example.com","$pathname":"/products/42","$referrer":"https://news.example.org/","$browser":"Firefox",)"
         R"("$browser_version":128,"$os":"Linux","$device_type":"Desktop","$screen_width":1920,"$screen_height":1080,)"
         R"("$lib":"web","$lib_version":"1.176.0","$ip":"203.0.113.42","email":"Ann.Example@example.com","plan":"pro",)"
         R"("price":19.90,"quantity":2,"internal":false,"coupon":null,"tags":["summer","sale"],)"
         R"("$user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",)"
         R"("cart":{"id":"c-8841","items":[{"sku":"A-1","n":1},{"sku":"B-7","n":3}]},"$session_id":"0190f3a2-7c1b-7d52-9e64-3b8f0c2d5a73",)"
         R"("$time":1785578400.123,"$timezone":"Europe/Vienna","experiment":"b"}})";
}

Result<AppCost> measure_app(const std::string& folder, const config::Node& settings, const std::vector<std::string>& texts,
                            std::uint64_t events) {
  config::Problems problems;
  AppEntry entry;
  entry.folder = folder;
  entry.settings = settings;
  entry.path = folder;
  entry.at = settings.at;
  const auto plan = plan_chain({entry}, problems);
  if (plan == nullptr) return fail(ErrorKind::invalid, joined(problems));
  AppCost cost;
  cost.events = events;
  TRY_ASSIGN(auto samples, prepare(texts));
  TRY(drop_failing(plan, samples, cost));
  cost.samples = samples.size();
  for (const auto& sample : samples)
    cost.bytes += static_cast<double>(sample->text.size()) / static_cast<double>(samples.size());
  Timing timing(samples, events);
  TRY_ASSIGN(const auto floor, timing.run(idle_plan()));
  TRY_ASSIGN(const auto times, timing.run(plan));
  cost.floor = floor[kRuns / 2];
  cost.fastest = times.front();
  cost.median = times[kRuns / 2];
  cost.slowest = times.back();
  TRY(count(plan->apps.front(), samples, cost));
  return cost;
}

}  // namespace penstock::scripting
