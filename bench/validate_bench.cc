// links: event simdjson::simdjson benchmark::benchmark benchmark::benchmark_main
// What it costs to let an event in: complete validation and the index of its members, at the two sizes of the workload
// (bench/workload/generate.py); then the steps one by one, and what opening a chunk costs a reader.

#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <simdjson.h>

#include "pipeline/event/chunk.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"

namespace penstock {
namespace {

constexpr std::size_t kEvents = 2000;  // more than fit in the first cache

std::string hex(std::mt19937_64& random) { return fmt::format("{:016x}", random()); }

std::string uuid(std::mt19937_64& random) {
  const auto a = hex(random), b = hex(random);
  return fmt::format("{}-{}-4{}-a{}-{}", a.substr(0, 8), a.substr(8, 4), a.substr(12, 3), b.substr(0, 3), b.substr(4));
}

// About 520 bytes: a shop's own shape.
std::string shop_event(std::size_t i, std::mt19937_64& random) {
  const auto user = random() % 200'000;
  return fmt::format(
      R"({{"event":"page_view","message_id":"{}{}","user_id":"u_{:06}","anonymous_id":"{}",)"
      R"("email":"user.{}@example.com","ts":"2026-08-{:02}T{:02}:{:02}:{:02}.{:03}Z","ip":"10.{}.{}.{}",)"
      R"("properties":{{"url":"https://shop.example.com/p/{}?ref=mail","price":{}.{:02},"qty":{},"plan":"team",)"
      R"("is_bot":{}}},"context":{{"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) )"
      R"(Chrome/126.0.0.0 Safari/537.36","country":"DE","locale":"en-US","app":{{"name":"web","version":"4.{}.{}"}}}}}})",
      hex(random), hex(random), user, hex(random), user, 1 + i % 28, i % 24, i % 60, i * 7 % 60, i % 1000, user % 256,
      (user >> 8) % 256, i % 256, random() % 1'000'000, random() % 200, random() % 100, 1 + random() % 8, i % 50 == 0, i % 9,
      i % 7);
}

// About 950 bytes: what a web SDK sends.
std::string web_event(std::size_t i, std::mt19937_64& random) {
  const auto user = 1 + random() % 100'000;
  const auto page = 1 + random() % 9999;
  return fmt::format(
      R"({{"uuid":"{}","event":"$pageview","distinct_id":"user-{}","properties":{{"$os":"Mac OS X",)"
      R"("$os_version":"10.15.7","$browser":"Chrome","$device_type":"Desktop",)"
      R"("$current_url":"https://shop.example.com/products/{}?utm_source=google&utm_campaign=spring&gclid=abc{}",)"
      R"("$host":"shop.example.com","$pathname":"/products/{}","$browser_version":{},"$screen_height":1080,)"
      R"("$screen_width":1920,"$viewport_height":900,"$viewport_width":1440,"$lib":"web","$lib_version":"1.205.0",)"
      R"("$insert_id":"{}","$time":{}.123,"distinct_id":"user-{}","$device_id":"{}","$referrer":"$direct",)"
      R"("$session_id":"{}","$ip":"10.{}.{}.7","email":"Person{}@Example.com","plan":"pro","price":{}.{:02},)"
      R"("tags":["a","b"],"nested":{{"a":1,"b":{{"c":"d"}}}}}},"timestamp":"2026-11-21T10:{:02}:{:02}.123Z",)"
      R"("token":"phc_test","$set":{{"email":"person{}@example.com"}}}})",
      uuid(random), user, page, i, page, 90 + random() % 41, hex(random), 1'763'700'000 + i, user, uuid(random),
      uuid(random), user % 256, user / 256, user, random() % 100, random() % 100, i / 60 % 60, i % 60, user);
}

const std::vector<std::string>& events(std::int64_t size) {
  const auto make = [](auto shape) {
    std::mt19937_64 random(42);
    std::vector<std::string> made;
    for (std::size_t i = 0; i < kEvents; ++i) made.push_back(shape(i, random));
    return made;
  };
  static const auto shop = make(shop_event);
  static const auto web = make(web_event);
  return size == 520 ? shop : web;
}

// Runs `step` on one event after the other; reports events and bytes a second, one core.
template <class Step>
void run(benchmark::State& state, Step step) {
  const auto& all = events(state.range(0));
  std::size_t bytes = 0;
  for (const auto& event : all) bytes += event.size();
  for (auto _ : state) {
    for (const auto& event : all) step(event);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(all.size()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.counters["size"] = static_cast<double>(bytes) / static_cast<double>(all.size());
}

void validate_and_index(benchmark::State& state) {
  json::Validator validator;
  json::ObjectIndex index;
  run(state, [&](const std::string& event) {
    if (!validator.validate(event, index)) state.SkipWithError("an event is not valid");
    benchmark::DoNotOptimize(index.members().data());
  });
}

void index_alone(benchmark::State& state) {
  json::ObjectIndex index;
  run(state, [&](const std::string& event) {
    if (!json::index_object(event, index)) state.SkipWithError("an event has no index");
    benchmark::DoNotOptimize(index.members().data());
  });
}

// What the index would cost if simdjson's second parser made it (which, unlike the first, is built for the oldest machine).
void on_demand_index(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  std::string padded(4096, ' ');
  std::vector<std::pair<const char*, std::string_view>> members;
  run(state, [&](const std::string& event) {
    event.copy(padded.data(), event.size());
    members.clear();
    auto document = parser.iterate(padded.data(), event.size(), padded.size());
    for (auto field : document.get_object()) {
      const auto* key = field.key().value_unsafe().raw();
      auto value = field.value();
      members.emplace_back(key, simdjson::to_json_string(value).value_unsafe());
    }
    benchmark::DoNotOptimize(members.data());
  });
}

void dom_parse_alone(benchmark::State& state) {
  simdjson::dom::parser parser;
  std::string padded(4096, ' ');
  run(state, [&](const std::string& event) {
    event.copy(padded.data(), event.size());
    benchmark::DoNotOptimize(parser.parse(padded.data(), event.size(), false).error());
  });
}

void read_facts(benchmark::State& state) {
  FactPaths paths;
  if (state.range(0) == 520) paths = {.event = "event", .distinct_id = "user_id", .timestamp = "ts", .uuid = "message_id"};
  FactReader reader(paths, "shop");
  json::ObjectIndex index;
  std::uint64_t offset = 0;
  run(state, [&](const std::string& event) {
    if (!json::index_object(event, index)) state.SkipWithError("an event has no index");
    const auto facts = reader.read(index, {.source = "web", .partition = "0", .offset = ++offset}, {1'763'700'000'000});
    benchmark::DoNotOptimize(partition_of(*facts, 16));
  });
}

std::string packed_chunk(std::int64_t size, ChunkBuilder& builder) {
  FactReader reader({}, "shop");
  json::ObjectIndex index;
  Timestamp received{1'763'700'000'000};
  for (const auto& event : events(size)) {
    received.ms += 1;
    if (!json::index_object(event, index)) continue;
    if (const auto facts = reader.read(index, {.source = "web", .partition = "0"}, received)) builder.add(*facts, event);
  }
  std::string out;
  builder.finish(out);
  return out;
}

void chunk_add_and_finish(benchmark::State& state) {
  ChunkBuilder builder(0);
  std::size_t stored = 0;
  for (auto _ : state) stored = packed_chunk(state.range(0), builder).size();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kEvents));
  state.counters["stored"] = static_cast<double>(stored) / kEvents;
}

void chunk_open(benchmark::State& state) {
  ChunkBuilder builder(0);
  const auto stored = packed_chunk(state.range(0), builder);
  const bool with_bodies = state.range(1) != 0;
  for (auto _ : state) {
    const auto chunk = Chunk::open(stored);
    if (!chunk || (with_bodies && !(*chunk)->body(0))) state.SkipWithError("a chunk does not open");
    benchmark::DoNotOptimize(chunk);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kEvents));
}

}  // namespace

BENCHMARK(validate_and_index)->Arg(520)->Arg(950);
BENCHMARK(index_alone)->Arg(520)->Arg(950);
BENCHMARK(on_demand_index)->Arg(520)->Arg(950);
BENCHMARK(dom_parse_alone)->Arg(520)->Arg(950);
BENCHMARK(read_facts)->Arg(520)->Arg(950);
BENCHMARK(chunk_add_and_finish)->Arg(520)->Arg(950);
BENCHMARK(chunk_open)->ArgNames({"size", "bodies"})->Args({950, 0})->Args({950, 1});

}  // namespace penstock
