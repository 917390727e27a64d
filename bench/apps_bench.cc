// links: scripting_transform event
// What an app costs: chains of 0, 1, 3 and 10 apps at two sizes of event, one app of each common kind, and what the sandbox
// takes. Validation, facts and writing out are part of every figure; the output of each kind is checked before it is timed.

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "bench/web_events.h"
#include "pipeline/event/fact_map.h"
#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/chain.h"

namespace {

using namespace penstock;
using namespace penstock::scripting;

constexpr int kEvents = 10'000;
constexpr int kPasses = 9;
constexpr Timestamp kNow{1'763'700'000'000};

using Body = const json::ObjectIndex&;

bool has(Body body, std::string_view path, std::string_view raw) { return json::find_path(body, path) == raw; }
bool lacks(Body body, std::string_view path) { return !json::find_path(body, path); }

struct Kind {
  const char* name;
  const char* lua;  // the body of transform
  std::function<bool(Body before, Body after)> right;  // of an event that is kept
  int keeps_in_ten = 10;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"reads one field", "if event.event == 'nobody' then return nil end return event",
       [](Body before, Body after) { return before.text() == after.text(); }},
      {"adds one", "event.properties.env = 'prod' return event",
       [](Body, Body after) { return has(after, "properties.env", "\"prod\""); }},
      {"hashes one", "local p = event.properties p.email = app.sha256(p.email) return event",
       [](Body, Body after) { return json::find_path(after, "properties.email")->size() == 66; }},
      {"renames one", "local p = event.properties p.os = p['$os'] p['$os'] = nil return event",
       [](Body before, Body after) {
         return json::find_path(after, "properties.os") == json::find_path(before, "properties.$os") &&
                lacks(after, "properties.$os");
       }},
      {"walks all properties",
       "local n = 0 for k, v in pairs(event.properties) do if type(v) == 'string' then n = n + 1 end end "
       "event.strings = n return event",
       [](Body, Body after) { return has(after, "strings", "17"); }},
      {"touches a nested table", "event.properties.nested.b.c = 'e' return event",
       [](Body, Body after) { return has(after, "properties.nested.b.c", "\"e\""); }},
      {"drops nine in ten", "if event.event ~= '$pageview' then return nil end return event",
       [](Body before, Body after) { return before.text() == after.text(); }, 1},
      {"builds a new table",
       "local p = event.properties return {event = event.event, distinct_id = event.distinct_id, "
       "properties = {plan = p.plan, price = p.price, tags = p.tags}}",
       [](Body before, Body after) {
         return has(after, "properties.tags", R"(["a","b"])") &&
                json::find_path(after, "properties.price") == json::find_path(before, "properties.price");
       }},
      {"lower-cases and matches", "local p = event.properties p.domain = p.email:lower():match('@(.+)$') return event",
       [](Body, Body after) { return has(after, "properties.domain", "\"example.com\""); }},
  };
  return all;
}

// Apps in a folder of their own, as users have them.
class AppFolder {
 public:
  AppFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-bench-XXXXXX").string();
    path_ = mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~AppFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  AppFolder(const AppFolder&) = delete;
  AppFolder& operator=(const AppFolder&) = delete;

  AppEntry add(const std::string& name, const std::string& lua) {
    AppEntry entry;
    entry.use = entry.name = entry.path = name;
    entry.folder = fmt::format("{}/{}", path_, name);
    std::filesystem::create_directories(entry.folder);
    std::ofstream(entry.folder + "/app.lua") << "local M = {}\nfunction M.transform(event, app)\n"
                                             << lua << "\nend\nreturn M\n";
    std::ofstream(entry.folder + "/app.yaml") << "name: " << name << "\nversion: 1.0.0\nsummary: For the benchmark.\n";
    return entry;
  }

 private:
  std::string path_;
};

class Work {
 public:
  explicit Work(std::string (*make)(std::mt19937_64&, int)) {
    std::mt19937_64 random(42);
    for (int i = 0; i < kEvents; ++i) bytes_ += events_.emplace_back(make(random, i)).size();
  }

  std::size_t bytes_per_event() const { return bytes_ / kEvents; }

  // False: an event failed, or its output is wrong.
  bool is_right(Chain& chain, const Kind& kind) {
    chain.begin_batch(kNow);
    int kept = 0;
    for (const std::string& body : events_) {
      if (!one(chain, body)) return false;
      if (out_.kind == Transformed::Kind::dropped) continue;
      ++kept;
      const std::string text(out_.events.at(0).body);
      json::ObjectIndex after;
      json::ObjectIndex before;
      if (!checker_.validate(text, after) || !json::index_object(body, before) || !kind.right(before, after))
        return fmt::print(stderr, "{}: wrong output: {}\n", kind.name, text), false;
    }
    const double expected = kEvents * kind.keeps_in_ten / 10.0;
    return kept > expected * 0.9 && kept < expected * 1.1;
  }

  // Microseconds of CPU an event: median, smallest, largest.
  struct Cost {
    double median = 0, smallest = 0, largest = 0;
  };
  Cost measure(Chain& chain) {
    std::vector<double> costs;
    for (int pass = 0; pass < kPasses; ++pass) {
      const auto start = bench::cpu_time();
      chain.begin_batch(kNow);
      for (const std::string& body : events_)
        if (!one(chain, body)) std::exit(1);
      const std::chrono::duration<double, std::micro> took = bench::cpu_time() - start;
      costs.push_back(took.count() / kEvents);
    }
    std::ranges::sort(costs);
    return {costs[costs.size() / 2], costs.front(), costs.back()};
  }

 private:
  bool one(Chain& chain, const std::string& body) {
    if (!validator_.validate(body, index_)) return false;
    const auto read = facts_.read(index_, {.source = "web", .partition = "0", .offset = 1}, kNow);
    if (!read) return false;
    chain.run(index_, *read, true, out_);
    if (out_.kind == Transformed::Kind::failed) fmt::print(stderr, "{}: {}\n", out_.app, out_.reason);
    return out_.kind != Transformed::Kind::failed;
  }

  std::vector<std::string> events_;
  std::size_t bytes_ = 0;
  json::Validator validator_;
  json::Validator checker_;
  json::ObjectIndex index_;
  FactReader facts_{{}, "shop"};
  Transformed out_;
};

std::unique_ptr<Chain> chain_of(const std::vector<AppEntry>& entries, const Safety& safety = {}) {
  config::Problems problems;
  const auto plan = plan_chain(entries, problems);
  if (plan == nullptr) {
    fmt::print(stderr, "{}\n", problems.front().to_string());
    std::exit(1);
  }
  auto changed = std::make_shared<ChainPlan>(*plan);
  for (AppPlan& app : changed->apps) app.limits.safety = safety;
  return Chain::make(changed).value();
}

void print_cost(std::string_view what, const Work::Cost& cost, double without) {
  fmt::print("{:<44} {:6.2f} µs ({:.2f}-{:.2f}){:>12.0f} events/s", what, cost.median, cost.smallest, cost.largest,
             1e6 / cost.median);
  fmt::print("{}\n", without > 0 ? fmt::format("   {:+.2f} µs", cost.median - without) : "");
}

// The three apps of the chain benchmark's kind, again and again under other names.
void chains(AppFolder& folder) {
  static constexpr const char* kThree[] = {
      "if event.event == '$feature_flag_called' then return nil end return event",
      "event.env = 'prod' local p = event.properties p.os = p['$os'] return event",
      "local p = event.properties p.email_sha256 = app.sha256(p.email:lower()) return event"};
  for (auto* make : {bench::small_event, bench::web_event}) {
    Work work(make);
    fmt::print("\n{} bytes an event\n", work.bytes_per_event());
    std::vector<AppEntry> entries;
    double none = 0;
    for (const std::size_t apps : {0u, 1u, 3u, 10u}) {
      while (entries.size() < apps)
        entries.push_back(folder.add(fmt::format("chain_{}", entries.size()), kThree[entries.size() % 3]));
      const auto cost = work.measure(*chain_of(entries));
      if (apps == 0) none = cost.median;
      print_cost(fmt::format("  {} apps", apps), cost, apps == 0 ? 0 : none);
    }
  }
}

bool one_of_each(AppFolder& folder) {
  Work work(bench::web_event);
  const double none = work.measure(*chain_of({})).median;
  fmt::print("\nOne app of {} bytes an event, and what it adds to {:.2f} µs without any\n", work.bytes_per_event(), none);
  int number = 0;
  for (const Kind& kind : kinds()) {
    const auto chain = chain_of({folder.add(fmt::format("kind_{}", number++), kind.lua)});
    if (!work.is_right(*chain, kind)) return false;
    print_cost(fmt::format("  {}", kind.name), work.measure(*chain), none);
  }
  return true;
}

// Alternating, so that a machine that changes its mind in between changes it for all.
void safety(AppFolder& folder) {
  Work work(bench::web_event);
  std::vector<AppEntry> entries;
  for (const int kind : {1, 2, 3}) entries.push_back(folder.add(fmt::format("safe_{}", kind), kinds()[kind].lua));
  fmt::print("\nThree of them, with and without what makes them safe\n");
  for (const auto& [name, safety] :
       {std::pair{"  sandboxed", Safety{}}, std::pair{"  without instruction hook", Safety{.hook = false}},
        std::pair{"  with the general heap instead", Safety{.allocator = false}},
        std::pair{"  without both", Safety{.hook = false, .allocator = false}}})
    print_cost(name, work.measure(*chain_of(entries, safety)), 0);
}

}  // namespace

int main() {
  AppFolder folder;
  chains(folder);
  if (!one_of_each(folder)) return 1;
  safety(folder);
  return 0;
}
