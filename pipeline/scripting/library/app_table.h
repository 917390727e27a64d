#pragma once
// The second argument of every app: `app`, read-only. Its functions are declared in the *_functions.cc beside this file.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/app_metrics.h"
#include "pipeline/scripting/library/regex_cache.h"
#include "pipeline/scripting/library/state_journal.h"
#include "pipeline/scripting/package/manifest.h"
#include "pipeline/scripting/view/binding.h"

namespace penstock::scripting {

// Where app.log and print go. Called on the app's thread.
using LogSink = std::function<void(LogLevel level, std::string_view app, std::string_view message)>;

// The program's log, with the component "app <name>".
LogSink program_log();

// All of them, in the order of the reference. Their examples hold for the event
//   {"event":"signup","distinct_id":"ann","properties":{"plan":"pro","email":"ann@example.com"}}
// at 2026-01-01T00:00:00Z.
std::vector<AppFunction> app_functions();
// The methods of what they return, likewise.
std::vector<AppFunction> app_methods();

// How many lines an app may log now: of one app in one worker (or destination).
struct LogAllowance {
  double lines = 0;
  SteadyTime filled;
  std::uint64_t left_out = 0;
};

// What those functions need to know. Lives as long as the Vm they were added to.
class AppTable {
 public:
  // Of one line of the log; what is more is left out.
  static constexpr std::size_t kLogBytesMax = 2000;

  // `allowance` outlives the table; null: it has its own.
  AppTable(std::string app, LogSink sink, const Clock& clock, LogAllowance* allowance = nullptr)
      : app_(std::move(app)), sink_(std::move(sink)), clock_(clock), state_table_(scripting::state_table(app_)),
        allowance_(allowance != nullptr ? *allowance : own_allowance_) {}
  AppTable(const AppTable&) = delete;
  AppTable& operator=(const AppTable&) = delete;

  // Pushes the table and makes `print` a global. Raises.
  void push(lua_State* state, Vm& vm, const Manifest& manifest, const config::Node& with);

  // The time of the batch, and the start of another event. Journal and metrics last as long as the batch.
  void begin_batch(Timestamp now, StateJournal& journal, AppMetrics& metrics) {
    now_ = now;
    journal_ = &journal;
    metrics_ = &metrics;
  }
  void begin_event() { uuids_ = 0; }

  Timestamp now() const { return now_; }
  // Null before the first batch.
  StateJournal* journal() { return journal_; }
  bool may_use_state() const { return may_use_state_; }
  std::string_view state_table() const { return state_table_; }
  AppMetrics* metrics() { return metrics_; }
  Uuid next_uuid(const Facts& facts);
  RegexCache& regexes() { return regexes_; }
  // At most ten lines a second on average, a hundred at once; what is left out is counted in the next line.
  void log(LogLevel level, std::string_view message);

 private:
  bool may_log();

  std::string app_;
  LogSink sink_;
  const Clock& clock_;
  std::string state_table_;
  bool may_use_state_ = false;
  Timestamp now_;
  StateJournal* journal_ = nullptr;
  AppMetrics* metrics_ = nullptr;
  std::uint32_t uuids_ = 0;
  LogAllowance own_allowance_;
  LogAllowance& allowance_;
  RegexCache regexes_;
};

}  // namespace penstock::scripting
