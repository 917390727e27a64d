#include "pipeline/scripting/vm/vm.h"

#include <fmt/format.h>

#include <time.h>
#include <cstdlib>
#include <limits>
#include <lua.hpp>
#include <utility>

#include "pipeline/base/check.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/text_order.h"

namespace penstock::scripting {
namespace {

constexpr int kHandler = 1;  // stack index of on_error, for good
constexpr int kFramesMax = 8;
constexpr std::size_t kMessageMax = 2000;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
constexpr char kGlobals = 0;  // its address is the registry key of the real table of globals

int panicked(lua_State*) { check_failed("a Lua error outside of a protected call", __FILE__, __LINE__); }

// What blocks cost beside instructions: a small one is made, collected and freed, a large one is copied.
constexpr std::size_t kSmallBytesPerStep = 4;
constexpr std::size_t kLargeBytesPerStep = 16;
// While one instruction may copy or compare megabytes, the meter is looked at more often.
constexpr std::uint64_t kHugeStride = 40;
// A step takes 2 to 8 ns. Work that takes longer is paid by the time it takes, so that nothing gets much more than its
// instructions' worth of processor because it was charged too little.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::chrono::nanoseconds kSlowStep{200};  // every step is slower then
#else
constexpr std::chrono::nanoseconds kSlowStep{9};
#endif
constexpr std::chrono::nanoseconds kStepTime{8};

// The frames of Lua from the innermost on, C functions left out. `place` becomes "file:line" of the first, if there is one.
std::string frames(lua_State* state, std::string* place = nullptr) {
  std::string text;
  lua_Debug frame;
  int shown = 0;
  for (int level = 0; shown < kFramesMax && lua_getstack(state, level, &frame) != 0; ++level) {
    lua_getinfo(state, "Sln", &frame);
    if (frame.currentline < 0) continue;  // a C function
    if (shown == 0 && place != nullptr) *place = fmt::format("{}:{}", frame.short_src, frame.currentline);
    if (shown++ > 0) text += '\n';
    fmt::format_to(std::back_inserter(text), "{}:{}: in ", frame.short_src, frame.currentline);
    if (frame.name != nullptr) fmt::format_to(std::back_inserter(text), "function '{}'", frame.name);
    else fmt::format_to(std::back_inserter(text), "the function at line {}", frame.linedefined);
  }
  return text;
}

// Whether a message begins as Lua's do: "app.lua:3: ".
bool says_where(std::string_view message) {
  const auto colon = message.find(':');
  if (colon == std::string_view::npos || message.substr(0, colon).contains(' ')) return false;
  const auto line = message.substr(colon + 1);
  const auto digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && line.substr(digits).starts_with(": ");
}

// error(message, 0) wants no place. Asked in the message handler, which is the function at level 0 itself.
bool raised_by_script(lua_State* state) {
  lua_Debug frame;
  if (lua_getstack(state, 1, &frame) == 0) return false;
  lua_getinfo(state, "n", &frame);
  return frame.name != nullptr && std::string_view(frame.name) == "error";
}

// Never an address.
int describe_plainly(lua_State* state) {
  if (luaL_getmetafield(state, 1, "__tostring") != LUA_TNIL || lua_type(state, 1) == LUA_TNUMBER)
    luaL_tolstring(state, 1, nullptr);
  else lua_pushfstring(state, "error value is a %s", luaL_typename(state, 1));
  return 1;
}

void* general_heap(void*, void* block, std::size_t, std::size_t size) {
  if (size != 0) return std::realloc(block, size);
  std::free(block);
  return nullptr;
}

}  // namespace

Vm::Vm(const Limits& limits, const Clock& clock)
    : limits_(limits), clock_(clock), allocator_(static_cast<std::size_t>(limits.memory_max.count), *this),
      describe_value_(describe_plainly), instructions_left_(kUnlimited) {}

Vm::~Vm() {
  instructions_left_ = kUnlimited;
  if (state_ != nullptr) lua_close(state_);
}

std::chrono::nanoseconds Vm::thread_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Vm& Vm::of(lua_State* state) { return **static_cast<Vm**>(lua_getextraspace(state)); }

Result<std::unique_ptr<Vm>> Vm::create(const Limits& limits, const Clock& clock) {
  std::unique_ptr<Vm> vm(new Vm(limits, clock));
  vm->state_ = lua_newstate(limits.safety.allocator ? CappedAllocator::reallocate : general_heap, &vm->allocator_);
  if (vm->state_ == nullptr) return fail(ErrorKind::limit, "memory limit too small to start Lua");
  vm->running_ = vm->state_;
  lua_atpanic(vm->state_, panicked);
  *static_cast<Vm**>(lua_getextraspace(vm->state_)) = vm.get();
  lua_pushcfunction(vm->state_, on_error);
  lua_pushcfunction(vm->state_, open);
  if (lua_pcall(vm->state_, 0, 0, 0) != LUA_OK)
    return fail(ErrorKind::limit, fmt::format("memory limit of {} is too small to start Lua", to_string(limits.memory_max)));
  if (limits.safety.hook) vm->set_hook(vm->state_, kStride);
  return vm;
}

int Vm::open(lua_State* state) {
  lua_newtable(state);
  lua_pushvalue(state, -1);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kGlobals);
  add_library(state);
  freeze_table(state);
  lua_pushvalue(state, -1);
  lua_rawseti(state, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kGlobals);
  lua_pushvalue(state, -2);
  lua_setfield(state, -2, "_G");
  // While an app loads, what it defines goes to the real table.
  lua_getmetatable(state, -2);
  lua_getfield(state, -1, "__newindex");
  lua_setfield(state, -2, "refuse");
  lua_pushvalue(state, -2);
  lua_setfield(state, -2, "__newindex");
  // Garbage is small and dies at once; a collection is mostly the cost of walking what lives. Wait for more of it.
  lua_gc(state, LUA_GCINC, 400, 400, 0);
  return 0;
}

void Vm::freeze_globals() {
  const auto frozen = protect([](lua_State* state) {
    lua_rawgeti(state, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_getmetatable(state, -1);
    lua_getfield(state, -1, "refuse");
    lua_setfield(state, -2, "__newindex");
  });
  CHECK(frozen.has_value());  // only existing keys are written
}

void Vm::set_global(const char* name) {
  lua_rawgetp(state_, LUA_REGISTRYINDEX, &kGlobals);
  lua_insert(state_, -2);
  lua_setfield(state_, -2, name);
  lua_pop(state_, 1);
}

Result<void> Vm::compile(std::string_view text, const std::string& chunk) {
  begin();
  place_ = chunk;
  const int base = lua_gettop(state_);
  const int status = luaL_loadbufferx(state_, text.data(), text.size(), ("=" + chunk).c_str(), "t");
  if (status == LUA_OK) return finish(status) ? Result<void>{} : fail(ErrorKind::limit, failure_.message);
  finish(status);
  lua_settop(state_, base);
  return fail(spent_ ? ErrorKind::limit : ErrorKind::invalid, failure_.message);
}

void Vm::begin() {
  instructions_left_ = limits_.instructions_max;
  charged_ = 0;
  given_settled_ = allocator_.given();
  looked_ = false;
  running_ = state_;
  place_.clear();
}

bool Vm::call(int arguments, int results) {
  const int base = lua_gettop(state_) - arguments - 1;
  begin();
  const PaysForOrder pays(*this);
  const int status = lua_pcall(state_, arguments, results, kHandler);
  if (finish(status)) [[likely]]
    return true;
  lua_settop(state_, base);
  return false;
}

Result<void> Vm::run_protected(void (*step)(lua_State*, void*), void* data) {
  struct Step {
    void (*function)(lua_State*, void*);
    void* data;
  } bound{step, data};
  lua_pushcfunction(state_, [](lua_State* state) {
    const auto& it = *static_cast<Step*>(lua_touserdata(state, 1));
    it.function(state, it.data);
    return 0;
  });
  lua_pushlightuserdata(state_, &bound);
  if (call(1, 0)) return {};
  return fail(spent_ ? ErrorKind::limit : ErrorKind::invalid, failure_.message);
}

// Pops the error value of a call that failed.
bool Vm::finish(int status) {
  instructions_left_ = kUnlimited;
  if (status == LUA_OK && stop_ == Stop::none) [[likely]]
    return true;
  failure_.stop = stop_;
  note_status(status);
  if (failure_.stop == Stop::none && status != LUA_OK && status != LUA_ERRRUN && status != LUA_ERRERR &&
      status != LUA_ERRSYNTAX)
    failure_.stop = Stop::memory;
  spent_ = failure_.stop != Stop::none;
  const char* text = lua_type(state_, -1) == LUA_TSTRING ? lua_tostring(state_, -1) : nullptr;
  if (spent_) failure_.message = (place_.empty() ? "" : place_ + ": ") + describe(failure_.stop);
  else failure_.message = text != nullptr ? text : "error without a message";
  if (failure_.message.size() > kMessageMax) failure_.message.resize(kMessageMax);
  return false;
}

std::string Vm::describe(Stop stop) const {
  std::string what;
  const char* setting;
  switch (stop) {
    case Stop::memory:
      if (thrown_) return "an exception of C++ within a function: the process has no memory left, or the function failed";
      what = "memory limit of " + to_string(limits_.memory_max);
      setting = "memory";
      break;
    case Stop::instructions:
      what = fmt::format("instruction limit of {}", limits_.instructions_max);
      setting = "instructions";
      break;
    case Stop::time:
      what = fmt::format("time limit of {} ms", limits_.time_max.count());
      setting = "time";
      break;
    case Stop::none: return {};
  }
  return fmt::format("{} reached; raise it, if that is meant, with limits: {{{}: …}} in app.yaml or at the chain's entry",
                     what, setting);
}

void Vm::set_hook(lua_State* thread, std::uint64_t stride) const {
  lua_sethook(thread, on_hook, LUA_MASKCOUNT | (line_heard_ ? LUA_MASKLINE : 0), static_cast<int>(stride));
}

void Vm::arm(lua_State* running) {
  set_hook(running, 1);
  set_hook(state_, 1);
}

void Vm::note_stop(lua_State* running, Stop stop) {
  if (stop_ == Stop::none) stop_ = stop;
  arm(running);
}

void Vm::remember_place(lua_State* running) {
  if (stop_ != Stop::none && !place_.empty()) return;
  failure_.traceback = frames(running, &place_);
}

void Vm::raise_stop(lua_State* running, Stop stop) {
  remember_place(running);
  note_stop(running, stop);
  lua_pushstring(running, describe(stop_).c_str());
  lua_error(running);
  std::unreachable();
}

// The first question starts the time: a call too short for one never reads the clock.
bool Vm::out_of_time(std::uint64_t steps) {
  const SteadyTime now = clock_.steady();
  if (!std::exchange(looked_, true)) {
    deadline_ = now + limits_.time_max;
    seen_ = now;
    slow_ = false;
    return false;
  }
  const auto took = now - std::exchange(seen_, now);
  if (took > kSlowStep * steps) pay_by_time(static_cast<std::int64_t>(steps));
  else slow_ = false;
  return now > deadline_;
}

// Time of the processor, for the thread may have waited for one. From the second slow stride on, when it is known.
// The steps themselves are paid: what is left is for the rest of the time.
void Vm::pay_by_time(std::int64_t steps) {
  const auto now = thread_time();
  if (slow_) instructions_left_ -= std::max<std::int64_t>(0, (now - cpu_seen_) / kStepTime - steps);
  slow_ = true;
  cpu_seen_ = now;
}

Stop Vm::spend(std::uint64_t steps) {
  if (stop_ != Stop::none) return stop_;
  const std::size_t given = allocator_.given();
  instructions_left_ -=
      static_cast<std::int64_t>(steps + (given - std::exchange(given_settled_, given)) / kSmallBytesPerStep);
  const bool late = out_of_time(steps);
  if (instructions_left_ < 0) return Stop::instructions;
  return late ? Stop::time : Stop::none;
}

// A C function may take much longer than what it charges, and no hook fires before it returns.
void Vm::settle(lua_State* running) {
  const Stop stop = spend(std::exchange(charged_, 0));
  if (stop != Stop::none) raise_stop(running, stop);
}

bool Vm::settle_within() {
  const Stop stop = spend(std::exchange(charged_, 0));
  if (stop == Stop::none) return true;
  if (stop_ == Stop::none) stop_soon(stop);
  return false;
}

// Where nothing may be raised: the next instruction does.
void Vm::stop_soon(Stop stop) {
  stop_ = stop;
  place_.clear();
  arm(running_);
}

void Vm::on_line(std::function<void(std::string_view source, int line)> heard) {
  line_heard_ = std::move(heard);
  set_hook(state_, kStride);
}

void Vm::on_hook(lua_State* running, lua_Debug* where) {
  Vm& vm = of(running);
  if (where->event == LUA_HOOKCOUNT) [[likely]]
    return vm.on_count(running);
  lua_getinfo(running, "Sl", where);
  std::string_view source(where->source, where->srclen);
  if (source.starts_with('=')) source.remove_prefix(1);
  vm.line_heard_(source, where->currentline);
}

void Vm::on_count(lua_State* running) {
  const auto stride = static_cast<std::uint64_t>(lua_gethookcount(running));
  const Stop stop = spend(stride + std::exchange(charged_, 0));
  if (stop != Stop::none) raise_stop(running, stop);
  const std::uint64_t wanted = allocator_.holds_huge() ? kHugeStride : kStride;
  if (stride != wanted) set_hook(running, wanted);
}

// The block is given all the same, for a refusal would make Lua collect garbage first; the next instruction ends the call.
void Vm::large_block(std::size_t bytes) {
  instructions_left_ -= static_cast<std::int64_t>(bytes / kLargeBytesPerStep);
  if (running_ == nullptr || stop_ != Stop::none) return;
  if (instructions_left_ < 0) {
    stop_soon(Stop::instructions);
  } else if (bytes >= CappedAllocator::kHugeFrom && static_cast<std::uint64_t>(lua_gethookcount(running_)) > kHugeStride) {
    set_hook(running_, kHugeStride);
  }
}

// Lua now walks everything that lives, which takes time, and may find room or raise its error.
void Vm::refused() {
  if (running_ == nullptr || stop_ != Stop::none) return;
  instructions_left_ -= static_cast<std::int64_t>(allocator_.used() / kLargeBytesPerStep);
  if (instructions_left_ < 0) set_hook(running_, 1);
}

void Vm::out_of_memory(lua_State* running) {
  if (running_ != nullptr) remember_place(running);
}

// Runs where the error happened, before the stack is unwound.
int Vm::on_error(lua_State* running) {
  Vm& vm = of(running);
  if (vm.stop() != Stop::none) return 1;
  std::string place;
  vm.failure_.traceback = frames(running, &place);
  const bool as_it_is = lua_type(running, 1) == LUA_TSTRING && raised_by_script(running);
  if (lua_type(running, 1) != LUA_TSTRING) {
    lua_pushcfunction(running, vm.describe_value_);
    lua_pushvalue(running, 1);
    const bool described = lua_pcall(running, 1, 1, 0) == LUA_OK && lua_type(running, -1) == LUA_TSTRING;
    if (vm.stop() != Stop::none) return 1;
    if (!described) lua_pushfstring(running, "error value is a %s", luaL_typename(running, 1));
    lua_replace(running, 1);
  }
  // An error inside of a C function, or of a value, does not say where.
  if (!as_it_is && !place.empty() && !says_where(lua_tostring(running, 1))) {
    lua_pushfstring(running, "%s: %s", place.c_str(), lua_tostring(running, 1));
    lua_replace(running, 1);
  }
  lua_settop(running, 1);
  return 1;
}

}  // namespace penstock::scripting
