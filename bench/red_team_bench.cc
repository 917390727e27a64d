// links: scripting_attacks
// The red team's scripts at the default limits: how long each holds the processor, from compiling to a destroyed state, and
// what they leave behind in the process. Each is run several times; the figure is the shortest CPU time, for the question is
// what the limits allow. Fails when an attack ends otherwise than it should, or memory of the process grows.

#include <fmt/core.h>

#include <time.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "pipeline/scripting/vm/attacks.h"
#include "pipeline/scripting/vm/vm.h"

namespace {

using namespace penstock;
using namespace penstock::scripting;

constexpr int kRuns = 3;

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

bool ended_as_told(const Attack& attack, std::string& message) {
  auto vm = Vm::create(Limits{}).value();
  vm->freeze_globals();
  const auto compiled = vm->compile(attack.script, "app.lua");
  const bool returned = compiled && vm->call(0, 1);
  if (!returned) message = compiled ? vm->failure().message : compiled.error().message;
  if (returned && lua_isstring(vm->state(), -1) != 0) message = lua_tostring(vm->state(), -1);
  if (returned != (attack.end == Attack::End::value) || vm->failure().stop != attack.stop) return false;
  return attack.end == Attack::End::value ? message == attack.says : message.find(attack.says) != std::string::npos;
}

// The shortest of several runs; negative when it ended otherwise.
double time_of(const Attack& attack) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    std::string message;
    const double start = cpu_milliseconds();
    const bool right = ended_as_told(attack, message);
    best = std::min(best, cpu_milliseconds() - start);
    if (!right) return fmt::print("{}: {}: ended with: {:.200}\n", attack.topic, attack.name, message), -1;
  }
  return best;
}

}  // namespace

int main() {
  bool right = true;
  double longest = 0;
  std::size_t late = 0;
  std::size_t resident = 0;
  const auto attacks = all_attacks();
  for (const Attack& attack : attacks) {
    const double took = time_of(attack);
    right = right && took >= 0;
    longest = std::max(longest, took);
    if (took > attack.milliseconds) ++late;
    fmt::print("{:<10} {:<44} {:7.1f} ms{}\n", attack.topic, attack.name, took, took > attack.milliseconds ? "  late" : "");
  }
  // The allocator learns from the first round what is worth keeping.
  const auto once_more = [&] {
    for (const Attack& attack : attacks) right = time_of(attack) >= 0 && right;
    return resident_kilobytes();
  };
  resident = once_more();
  const std::size_t after = once_more();
  fmt::print("{} attacks, the longest {:.1f} ms, {} late; resident {} KiB, after all of them again {} KiB\n", attacks.size(),
             longest, late, resident, after);
  return right && after < resident + resident / 4 ? 0 : 1;
}
