// links: scripting_transform event
// Validate + three sandboxed apps + write out, on one core, over events of the web workload's shape and size (950 B): drop by
// name and bots, set and rename, SHA-256 of the e-mail address. The output is checked before anything is timed; the figure is
// CPU time, the median of several passes over all events. Budget: 280,000 events a second.

#include <fmt/core.h>

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "bench/web_events.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/chain.h"

namespace {
std::size_t allocations = 0;  // of C++; a Lua state has its own allocator, which asks the heap for pages of small blocks
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace {

using namespace penstock;
using namespace penstock::scripting;

constexpr int kEvents = 20'000;
constexpr int kPasses = 15;

constexpr const char* kDrop = R"(local M = {}
function M.transform(event, app)
  if event.event == "$feature_flag_called" or event.properties.is_bot == true then return nil end
  return event
end
return M
)";
constexpr const char* kEnrich = R"(local M = {}
function M.transform(event, app)
  event.env = "prod"
  event.received_at = app.now()
  local properties = event.properties
  properties.os = properties["$os"]
  properties["$os"] = nil
  properties["$ip"] = nil
  return event
end
return M
)";
constexpr const char* kHash = R"(local M = {}
function M.transform(event, app)
  local properties = event.properties
  local email = properties.email
  if type(email) ~= "string" then error("email is not a string") end
  properties.email_sha256 = app.sha256(email:lower())
  properties.email = nil
  return event
end
return M
)";

// The three apps in folders, as users have them.
std::vector<AppEntry> write_apps(const std::string& folder) {
  std::vector<AppEntry> entries;
  for (const auto& [name, lua] : {std::pair{"drop", kDrop}, std::pair{"enrich", kEnrich}, std::pair{"hash", kHash}}) {
    AppEntry entry;
    entry.use = entry.path = name;
    entry.folder = fmt::format("{}/{}", folder, name);
    std::filesystem::create_directories(entry.folder);
    std::ofstream(entry.folder + "/app.lua") << lua;
    std::ofstream(entry.folder + "/app.yaml") << "name: " << name << "\nversion: 1.0.0\nsummary: For the benchmark.\n";
    entries.push_back(std::move(entry));
  }
  return entries;
}

struct Work {
  std::vector<std::string> events;
  json::Validator validator;
  json::ObjectIndex index;
  FactReader facts{{}, "shop"};
  Transformed out;
  std::size_t kept = 0;
  std::size_t bytes = 0;

  bool one(Chain* chain, const std::string& body, std::uint64_t offset) {
    if (!validator.validate(body, index)) return false;
    if (chain == nullptr) return true;
    const auto read = facts.read(index, {.source = "web", .partition = "0", .offset = offset}, Timestamp{1'763'700'000'000});
    if (!read) return false;
    chain->run(index, *read, true, out);
    if (out.kind == Transformed::Kind::failed) return false;
    if (out.kind == Transformed::Kind::dropped) return true;
    ++kept;
    for (const EventView& event : out.events) bytes += event.body.size();
    return true;
  }

  bool pass(Chain* chain) {
    kept = bytes = 0;
    if (chain != nullptr) chain->begin_batch(Timestamp{1'763'700'000'000});
    std::uint64_t offset = 0;
    for (const std::string& body : events)
      if (!one(chain, body, ++offset)) return false;
    return true;
  }
};

// Every event by itself: dropped or not, and with just the changes that the apps make.
bool output_is_right(Work& work, Chain& chain) {
  chain.begin_batch(Timestamp{1'763'700'000'000});
  for (const std::string& body : work.events) {
    const bool dropped = body.find("$feature_flag_called") != std::string::npos;
    if (!work.one(&chain, body, 1)) return false;
    if (dropped != (work.out.kind == Transformed::Kind::dropped)) return false;
    if (dropped) continue;
    const std::string text(work.out.events.at(0).body);
    json::ObjectIndex index;
    if (!work.validator.validate(text, index)) return false;
    const auto hash = json::find_path(index, "properties.email_sha256");
    const auto price = json::find_path(index, "properties.price");
    const bool right = hash && hash->size() == 66 && price && price->ends_with(".0") &&
                       !json::find_path(index, "properties.email") && !json::find_path(index, "properties.$ip") &&
                       json::find_path(index, "properties.os") && json::find_path(index, "env") == "\"prod\"";
    if (!right) return fmt::print(stderr, "wrong output: {}\n", text), false;
  }
  return true;
}

double median_rate(Work& work, Chain* chain, std::string_view what) {
  std::vector<double> rates;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = bench::cpu_time();
    if (!work.pass(chain)) return 0;
    const std::chrono::duration<double> took = bench::cpu_time() - start;
    rates.push_back(kEvents / took.count());
  }
  std::ranges::sort(rates);
  const double median = rates[rates.size() / 2];
  fmt::print("{:<28} {:>9.0f} events/s  (from {:.0f} to {:.0f}), {:.2f} µs\n", what, median, rates.front(), rates.back(),
             1e6 / median);
  return median;
}

int run(const std::string& folder) {
  config::Problems problems;
  const auto entries = write_apps(folder);
  const auto all = plan_chain(entries, problems);
  if (all == nullptr) return fmt::print(stderr, "{}\n", problems.front().to_string()), 1;
  Work work;
  std::mt19937_64 random(42);
  std::size_t bytes = 0;
  for (int i = 0; i < kEvents; ++i) bytes += work.events.emplace_back(bench::web_event(random, i)).size();
  fmt::print("{} events of {} bytes on average, {} passes each\n", kEvents, bytes / kEvents, kPasses);
  auto chain = Chain::make(all).value();
  if (!output_is_right(work, *chain)) return 1;
  median_rate(work, nullptr, "validate alone");
  auto none = Chain::make(plan_chain({}, problems)).value();
  median_rate(work, none.get(), "validate, facts, no app");
  const char* const kNamesOfApps[] = {"  and drop", "  and enrich", "  and hash"};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto one = Chain::make(plan_chain({entries[i]}, problems)).value();
    median_rate(work, one.get(), kNamesOfApps[i]);
  }
  const double rate = median_rate(work, chain.get(), "validate, facts, three apps");
  const std::size_t before = allocations;
  if (!work.pass(chain.get())) return 1;
  fmt::print("{:.3f} allocations an event\n", static_cast<double>(allocations - before) / kEvents);
  fmt::print("{} kept; budget 280000: {}\n", work.kept, rate >= 280'000 ? "met" : "not met");
  return rate > 0 ? 0 : 1;
}

}  // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "penstock-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  const int status = run(folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return status;
}
