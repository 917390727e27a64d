#pragma once
// One app in one Lua state: its files compiled, its function found, its condition ready. Belongs to one thread. After a limit
// was hit (`spent`) it is thrown away and made again from the same plan.

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/transform/app_plan.h"
#include "pipeline/scripting/transform/expression.h"
#include "pipeline/scripting/transform/plain_condition.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {

class Script {
 public:
  enum class Returned : std::uint8_t {
    event,  // the event it was given
    none,  // nil, or an empty list
    bodies,  // something else: see bodies()
    error,  // see failure()
  };

  // Runs the app's top level. An error names file and line. `plan` must outlive the script, and so must `allowance`, which is
  // for whoever loads an app again and again; null: the script has one of its own.
  static Result<std::unique_ptr<Script>> load(const AppPlan& plan, const LogSink& log, const Clock& clock,
                                              LogAllowance* allowance = nullptr);

  void begin_batch(Timestamp now, StateJournal& journal, AppMetrics& metrics) { table_.begin_batch(now, journal, metrics); }

  // Whether the app's `when:` wants the event; yes when it has none.
  Answer wants(EventState& event);
  Returned transform(EventState& event);

  // JSON objects that became of the event, valid as long as its arena.
  const std::vector<std::string_view>& bodies() const { return bodies_; }

  const ScriptFailure& failure() const { return vm_->failure(); }
  bool spent() const { return vm_->spent(); }
  // For tools that count what the script does.
  Vm& vm() { return *vm_; }

 private:
  Script(const AppPlan& plan, std::unique_ptr<Vm> vm, const LogSink& log, const Clock& clock, LogAllowance* allowance);
  Result<void> start();
  Result<void> find_transform();
  static int require(lua_State* state);
  static int collect(lua_State* state);
  void collect_value(lua_State* state);
  void collect_list(lua_State* state);
  void add_body(lua_State* state, int index, long long place);

  const AppPlan& plan_;
  std::unique_ptr<Vm> vm_;
  Binding binding_;
  AppTable table_;
  std::optional<PlainCondition> plain_when_;
  std::vector<std::string_view> bodies_;
  std::set<std::string> loading_;  // modules
};

}  // namespace penstock::scripting
