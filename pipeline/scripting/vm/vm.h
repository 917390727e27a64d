#pragma once
// One Lua state that any script may run in. Belongs to one thread at a time.
//
// What a script cannot do, and why it is done this way (each has a test in sandbox_test.cc):
//   reach the host      no io, os, debug, package, load, dofile, bytecode, string.dump, collectgarbage; nothing random
//   keep the processor  a count hook every 1000 instructions. Hooks do not fire inside C functions, so those that loop charge
//                       what they touch. `pcall` would swallow the error and run on: pcall, xpcall, coroutine.resume and
//                       coroutine.wrap are ours and pass a stop on. An xpcall handler or `__close` would run with hooks off
//                       after an error raised by a hook: ours call no handler then, and there is no coroutine.close.
//                       Finalisers run with hooks off: setmetatable refuses `__gc`. Lua's pattern matcher can backtrack for
//                       hours inside one call: find, match, gmatch and gsub are ours and count their steps, see pattern.h.
//   keep memory         a counting allocator with a cap; see allocator.h
//   change the rules    globals, library tables, `app` and its settings are read-only; metatables of strings and events are
//                       hidden; rawset refuses what is read-only
// After a stop the state is spent: the owner throws it away and builds another, so the next event finds nothing of it.
//
// Measured with the default limits, release build on a busy two-core machine: a plain loop, alone or caught again and again,
// is over after 50 ms, recursion after 80 ms, filling 64 MiB with tables after 170 ms, everything else in sandbox_test.cc
// sooner.
//
// Lua here is the C++ build: its errors are exceptions, so destructors run when they pass; code between Lua and us must not
// be noexcept, and `catch (...)` must rethrow.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

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

class Vm {
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

  // Whoever owns this state and is asked for by its C functions.
  void set_owner(void* owner) { owner_ = owner; }
  void* owner() const { return owner_; }

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
  void charge(lua_State* running, std::uint64_t steps);
  // The time for this call begins anew: what passed was no doing of the script's.
  void restart_clock() { deadline_set_ = false; }
  Stop stop() const { return meter_.stop; }
  PatternCache& patterns() { return patterns_; }
  // For C functions that caught an error: marks memory exhaustion, and makes every thread involved stop at its next
  // instruction.
  void note_stop(lua_State* running, Stop stop);

 private:
  Vm(const Limits& limits, const Clock& clock);
  static void on_hook(lua_State* running, lua_Debug* where);
  void on_count(lua_State* running, lua_Debug* where);
  static int on_error(lua_State* running);
  static int open(lua_State* state);
  Result<void> run_protected(void (*step)(lua_State*, void*), void* data);
  void begin();
  bool out_of_time();
  bool finish(int status);
  std::string describe(Stop stop) const;

  Limits limits_;
  const Clock& clock_;
  Meter meter_;
  CappedAllocator allocator_;
  PatternCache patterns_;
  lua_State* state_ = nullptr;
  void* owner_ = nullptr;
  std::function<void(std::string_view, int)> line_heard_;
  bool deadline_set_ = false;
  std::uint64_t charged_ = 0;  // since the clock was read
  SteadyTime deadline_;
  bool spent_ = false;
  ScriptFailure failure_;
};

}  // namespace penstock::scripting
