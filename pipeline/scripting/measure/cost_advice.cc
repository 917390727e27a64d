#include <fmt/format.h>

#include "pipeline/scripting/measure/app_cost.h"

namespace penstock::scripting {
namespace {

// From where on something is worth a sentence, for one event.
constexpr double kWalked = 8;
constexpr double kReads = 30;
constexpr double kAllocations = 12;
constexpr double kAssignedBytes = 2048;
constexpr double kSlowNanoseconds = 20'000;

class Advice {
 public:
  explicit Advice(const AppCost& cost) : cost_(cost), counts_(cost.counts) {}

  std::vector<std::string> run() {
    const double walked = cost_.each(counts_.walked);
    if (walked >= kWalked)
      say("It visits {:.0f} members of an event with pairs, and each is decoded: when the names are known, read those "
          "fields "
          "alone.",
          walked);
    const double reads = cost_.each(counts_.values_read + counts_.parts_read + counts_.missing_read) - walked;
    if (reads >= kReads)
      say("It reads {:.0f} fields of an event: each read decodes anew, so keep what is read twice in a local.", reads);
    if (cost_.rebuilt * 2 > cost_.samples)
      say("It returns a new table, and the whole event is written anew: assigning to the event and returning it copies what "
          "did not change.");
    const double allocations = cost_.each(counts_.allocations);
    if (allocations >= kAllocations)
      say("It makes {:.0f} Lua objects an event ({:.0f} bytes): tables, functions and texts that are the same for every "
          "event "
          "can be made once, outside of transform.",
          allocations, cost_.each(counts_.allocated_bytes));
    if (cost_.assigned_bytes >= kAssignedBytes)
      say("It assigns {:.0f} bytes an event: assigning a part of the event copies it, a few fields of it cost less.",
          cost_.assigned_bytes);
    functions();
    if (cost_.median >= kSlowNanoseconds) say("At {:.0f} events a second it is what limits a pipeline.", 1e9 / cost_.median);
    return std::move(lines_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    lines_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  void functions() {
    if (const auto it = counts_.app_calls.find("regex"); it != counts_.app_calls.end())
      say("It asks for a pattern {:.1f} times an event: keep what app.regex(…) returns in a local outside of transform.",
          cost_.each(it->second));
    if (const auto it = counts_.app_calls.find("log"); it != counts_.app_calls.end() && cost_.each(it->second) >= 0.5)
      say("It logs {:.1f} lines an event: a pipeline shows ten a second, and each costs time.", cost_.each(it->second));
  }

  const AppCost& cost_;
  const ScriptCounts& counts_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> cost_advice(const AppCost& cost) { return Advice(cost).run(); }

}  // namespace penstock::scripting
