// links: scripting_app_attacks scripting_library fakes
// The red team's scripts at the default limits: how long each holds the processor, from compiling to a destroyed state, and
// what they leave behind in the process. Each is run several times; the figure is the shortest CPU time, for the question is
// what the limits allow. Fails when an attack ends otherwise than it should, or memory of the process grows.

#include <fmt/core.h>

#include <time.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <lua.hpp>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/scripting/library/app_rig.h"
#include "pipeline/scripting/library/attacks_on_app.h"
#include "pipeline/scripting/vm/vm.h"

namespace {

using namespace penstock;
using namespace penstock::scripting;

constexpr int kRuns = 3;
constexpr int kSlowestShown = 5;

double cpu_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

std::size_t resident_kilobytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

bool is_as_told(const Attack& attack, bool returned, Stop stop, const std::string& message) {
  if (returned != (attack.end == Attack::End::value) || !attack.may_stop_by(stop)) return false;
  return attack.end == Attack::End::value ? message == attack.says : message.find(attack.says) != std::string::npos;
}

// With an event and the `app` table, which take a few milliseconds more to make.
bool app_ended_as_told(const Attack& attack, std::string& message) {
  testing::Surroundings lua;
  const auto text = lua.attempt(attack.script, "app.lua");
  message = text ? *text : text.error();
  return is_as_told(attack, text.has_value(), lua.vm().failure().stop, message);
}

bool ended_as_told(const Attack& attack, std::string& message) {
  auto vm = Vm::create(Limits{}).value();
  vm->freeze_globals();
  const auto compiled = vm->compile(attack.script, "app.lua");
  const bool returned = compiled && vm->call(0, 1);
  if (!returned) message = compiled ? vm->failure().message : compiled.error().message;
  if (returned && lua_isstring(vm->state(), -1) != 0) message = lua_tostring(vm->state(), -1);
  return is_as_told(attack, returned, vm->failure().stop, message);
}

using Run = bool (*)(const Attack&, std::string&);

// The shortest of several runs; negative when it ended otherwise.
double time_of(const Attack& attack, Run run) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    std::string message;
    const double start = cpu_milliseconds();
    const bool right = run(attack, message);
    best = std::min(best, cpu_milliseconds() - start);
    if (!right) return fmt::print("{}: {}: ended with: {:.200}\n", attack.topic, attack.name, message), -1;
  }
  return best;
}

}  // namespace

int main() {
  bool right = true;
  std::vector<std::pair<double, const Attack*>> times;
  std::size_t late = 0;
  std::size_t resident = 0;
  std::vector<std::pair<Attack, Run>> attacks;
  for (const Attack& attack : attacks_on_app()) attacks.emplace_back(attack, app_ended_as_told);
  for (const Attack& attack : all_attacks()) attacks.emplace_back(attack, ended_as_told);
  for (const auto& [attack, run] : attacks) {
    const double took = time_of(attack, run);
    right = right && took >= 0;
    times.emplace_back(took, &attack);
    if (took > attack.milliseconds) ++late;
    fmt::print("{:<10} {:<44} {:7.1f} ms{}\n", attack.topic, attack.name, took, took > attack.milliseconds ? "  late" : "");
  }
  // The allocator learns from the first round what is worth keeping.
  const auto once_more = [&] {
    for (const auto& [attack, run] : attacks) right = time_of(attack, run) >= 0 && right;
    return resident_kilobytes();
  };
  resident = once_more();
  const std::size_t after = once_more();
  std::ranges::sort(times, std::greater(), &std::pair<double, const Attack*>::first);
  for (const auto& [took, attack] : times | std::views::take(kSlowestShown))
    fmt::print("among the slowest: {:.1f} ms, {}: {}\n", took, attack->topic, attack->name);
  fmt::print("{} attacks, the longest {:.1f} ms, {} late; resident {} KiB, after all of them again {} KiB\n", attacks.size(),
             times.front().first, late, resident, after);
  return right && after < resident + resident / 4 ? 0 : 1;
}
