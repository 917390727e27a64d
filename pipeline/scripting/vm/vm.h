#pragma once
// One Lua state that any script may run in. Belongs to one thread at a time.
//
// What a script cannot do, and why it is done this way. Each line has attacks in attacks_on_*.cc:
//   reach the host      no io, os, debug, package, load, dofile, bytecode, string.dump, collectgarbage
//   keep the processor  a count hook every 1000 instructions. Hooks do not fire inside C functions, so those that loop charge
//                       what they touch. `pcall` would swallow the error and run on: pcall, xpcall, coroutine.resume and
//                       coroutine.wrap are ours and pass a stop on. An xpcall handler or `__close` would run with hooks off
//                       after an error raised by a hook: ours call no handler then, and there is no coroutine.close.
//                       Finalisers run with hooks off: setmetatable refuses `__gc`, and Lua never calls one that is added to
//                       a metatable later. Lua's pattern matcher can backtrack for hours inside one call: find, match, gmatch
//                       and gsub are ours and count their steps, see pattern.h. `<` of two strings is one instruction that
//                       can take a second: strcoll, which it calls, is ours, see text_order.h. `...` is copied by one
//                       instruction: no function gives more than 16384 values.
//   keep memory         a counting allocator with a cap, on blocks and on the pages they stand in, see allocator.h; what is
//                       allocated is charged too, for making and collecting it takes time
//   change the rules    globals, library tables, `app` and its settings are read-only; metatables of strings and events are
//                       hidden; rawset refuses what is read-only
//   differ between runs no math.random; no text shows an address (tostring, string.format); `pairs` has an order of its own
//                       (pairs.cc), for Lua's follows a seed. What does follow it: `next` on a plain table. What depends on
//                       the collector: weak tables, which are allowed. table.sort is ours: Lua's may choose pivots by the
//                       clock
// After a stop the state is spent: the owner throws it away and builds another, so the next event finds nothing of it.
//
// A step is an instruction or as much work of a C function as takes 2 to 8 ns. Work between two looks at the meter that takes
// more than 9 ns a step was charged too little (comparing megabytes is one instruction); from the second time on it is paid by
// processor time, 8 ns a step. So the default of 8 million instructions means about 65 ms, whatever a script does, and a thread that
// waits for a processor pays nothing for it. The line was once at 100 ns: arithmetic on numerals of 190 digits stayed below it and
// took 250 ms, and the same as an argument of math.abs the whole second. At 20 ns the longest attacks took 90.
//
// Measured by bench/red_team_bench with the default limits, shortest of three: a plain loop is over after 30 ms, a loop of calls of
// C functions after 30 to 75 ms, filling memory after 15 to 70 ms, what is paid by time after 50 to 70 ms. Before allocation was
// charged and time paid for, growing string keys took the whole second.
// pairs costs 1.6 times Lua's own for a list, 2.7 to 3.0 times for 5 to 100 string keys with an empty body.
//
// Lua here is the C++ build: its errors are exceptions, so destructors run when they pass; code between Lua and us must not
// be noexcept, and `catch (...)` must rethrow.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/scripting/vm/allocator.h"
#include "pipeline/scripting/vm/limits.h"
#include "pipeline/scripting/vm/pattern_cache.h"

struct lua_State;
struct lua_Debug;

namespace penstock::scripting {

// Why a call did not return.
struct ScriptFailure {
  Stop stop = Stop::none;  // none: an ordinary error of the script
  std::string message{};  // "app.lua:12: attempt to index a nil value (field 'email')"
  std::string traceback{};  // one frame a line, at most eight; empty for memory
};

class Vm final : private AllocationListener {
 public:
  // An error of kind limit: the memory limit is too small for the library itself.
  static Result<std::unique_ptr<Vm>> create(const Limits& limits, const Clock& clock = system_clock());
  ~Vm();
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  static Vm& of(lua_State* state);
  lua_State* state() { return state_; }
  const Limits& limits() const { return limits_; }
  std::size_t memory_used() const { return allocator_.used(); }
  // The same with what is free within pages: what the state takes of the process, bounded near the limit.
  std::size_t memory_held() const { return allocator_.held(); }

  // Whoever owns this state and is asked for by its C functions.
  void set_owner(void* owner) { owner_ = owner; }
  void* owner() const { return owner_; }
  // Makes the text for an error value that is no string: a C function from that value to a string.
  void set_describe_value(int (*function)(lua_State*)) { describe_value_ = function; }

  // Compiles source text and pushes the function. `chunk` names it in messages: "app.lua".
  Result<void> compile(std::string_view text, const std::string& chunk);

  // Calls what lies below `arguments` values on the stack, within the limits. True: `results` values are on the stack.
  // False: nothing is, and `failure()` says why.
  bool call(int arguments, int results);
  const ScriptFailure& failure() const { return failure_; }
  // A limit was hit: destroy this state.
  bool spent() const { return spent_; }

  // Runs `step(state)`, which may raise Lua errors and leaves the stack as it found it, protected and within the limits.
  template <class Step>
  Result<void> protect(Step&& step) {
    return run_protected([](lua_State* state, void* data) { (*static_cast<Step*>(data))(state); }, &step);
  }

  // Pops a value and makes it a global, read-only or not.
  void set_global(const char* name);
  // From now on scripts cannot add or change globals.
  void freeze_globals();

  // For tools such as line coverage: tells `heard` each line of Lua just before it runs, with the name its source was
  // compiled under. Set it before the first call, for coroutines inherit it when they are created; it is slow, changes no
  // limit, and costs nothing when it is not set. `heard` must not throw nor use this state.
  void on_line(std::function<void(std::string_view source, int line)> heard);

  // For C functions: counts work against the instruction limit; raises when it is used up.
  void charge(lua_State* running, std::uint64_t steps) {
    charged_ += std::min(steps, kAll);
    if (charged_ >= kStride) settle(running);
  }
  // Counts work within one of Lua's own instructions, where nothing may be raised. False: a limit is reached, the work is to
  // end, and the next instruction raises.
  bool charge_within(std::uint64_t steps) {
    charged_ += steps;
    return charged_ < kStride || settle_within();
  }
  // Raises unless that much is left, and takes nothing: before work that cannot be ended half-way.
  void demand(lua_State* running, std::uint64_t steps) {
    if (instructions_left_ < static_cast<std::int64_t>(charged_ + std::min(steps, kAll)))
      raise_stop(running, Stop::instructions);
  }
  // Raises the memory limit when the script could never hold that many bytes: before they are made outside of its memory.
  void demand_memory(lua_State* running, std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(limits_.memory_max.count)) raise_stop(running, Stop::memory);
  }
  // The time for this call begins anew: what passed was no doing of the script's. Only for what happens once in a process: a
  // script that can bring this about at will has neither a wall clock nor pays by time.
  void restart_clock() { looked_ = false; }
  // Of the processor, for the thread that asks: what waits for it pays nothing.
  static std::chrono::nanoseconds thread_time();
  Stop stop() const { return stop_; }
  PatternCache& patterns() { return patterns_; }
  // For C functions that caught an error: marks memory exhaustion, and makes every thread involved stop at its next
  // instruction.
  void note_stop(lua_State* running, Stop stop);
  // For them too, and the status of what they called: an exception of C++ is none of Lua's own.
  void note_status(int status) { thrown_ = thrown_ || status < 0; }
  // For coroutine.resume: the thread that runs now. Returns the one that did.
  lua_State* set_running(lua_State* running) { return std::exchange(running_, running); }

 private:
  static constexpr std::uint64_t kStride = 1000;  // instructions between two looks at the meter
  static constexpr std::uint64_t kAll = std::uint64_t{1} << 62;

  Vm(const Limits& limits, const Clock& clock);
  static void on_hook(lua_State* running, lua_Debug* where);
  static int on_error(lua_State* running);
  static int open(lua_State* state);
  void on_count(lua_State* running);
  void arm(lua_State* running);
  void large_block(std::size_t bytes) override;
  void refused() override;
  void out_of_memory(lua_State* running) override;
  Result<void> run_protected(void (*step)(lua_State*, void*), void* data);
  void begin();
  void settle(lua_State* running);
  bool settle_within();
  void stop_soon(Stop stop);
  Stop spend(std::uint64_t steps);
  bool out_of_time(std::uint64_t steps);
  void pay_by_time(std::int64_t steps);
  void set_hook(lua_State* thread, std::uint64_t stride) const;
  void remember_place(lua_State* running);
  [[noreturn]] void raise_stop(lua_State* running, Stop stop);
  bool finish(int status);
  std::string describe(Stop stop) const;

  Limits limits_;
  const Clock& clock_;
  CappedAllocator allocator_;
  PatternCache patterns_;
  lua_State* state_ = nullptr;
  lua_State* running_ = nullptr;
  void* owner_ = nullptr;
  int (*describe_value_)(lua_State*);
  std::function<void(std::string_view, int)> line_heard_;

  // Of the call that runs.
  std::int64_t instructions_left_;
  Stop stop_ = Stop::none;
  bool thrown_ = false;  // it was no stop of Lua's memory, but something was thrown through Lua
  std::uint64_t charged_ = 0;  // not taken from instructions_left_ yet
  std::size_t given_settled_ = 0;  // of allocator_.given()
  bool looked_ = false;  // at the clock
  bool slow_ = false;  // the last stride was, and cpu_seen_ is set
  SteadyTime deadline_;
  SteadyTime seen_;
  std::chrono::nanoseconds cpu_seen_{};
  std::string place_;  // "app.lua:12"

  bool spent_ = false;
  ScriptFailure failure_;
};

}  // namespace penstock::scripting
