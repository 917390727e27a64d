#include "pipeline/scripting/vm/vm.h"

#include <fmt/format.h>

#include <limits>
#include <lua.hpp>
#include <utility>

#include "pipeline/base/check.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kStride = 1000;
constexpr int kHandler = 1;  // stack index of on_error, for good
constexpr int kFramesMax = 8;
constexpr std::size_t kMessageMax = 2000;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();
constexpr char kGlobals = 0;  // its address is the registry key of the real table of globals

int panicked(lua_State*) { check_failed("a Lua error outside of a protected call", __FILE__, __LINE__); }

std::string frames(lua_State* state, int level) {
  std::string text;
  lua_Debug frame;
  for (int shown = 0; shown < kFramesMax && lua_getstack(state, level, &frame) != 0; ++level) {
    lua_getinfo(state, "Sln", &frame);
    if (frame.currentline < 0) continue;  // a C function
    if (shown++ > 0) text += '\n';
    fmt::format_to(std::back_inserter(text), "{}:{}: in ", frame.short_src, frame.currentline);
    if (frame.name != nullptr) fmt::format_to(std::back_inserter(text), "function '{}'", frame.name);
    else fmt::format_to(std::back_inserter(text), "the function at line {}", frame.linedefined);
  }
  return text;
}

}  // namespace

Vm::Vm(const Limits& limits, const Clock& clock)
    : limits_(limits), clock_(clock), allocator_(static_cast<std::size_t>(limits.memory_max.count), meter_) {
  meter_.instructions_left = kUnlimited;
}

Vm::~Vm() {
  meter_.instructions_left = kUnlimited;
  if (state_ != nullptr) lua_close(state_);
}

Vm& Vm::of(lua_State* state) { return **static_cast<Vm**>(lua_getextraspace(state)); }

Result<std::unique_ptr<Vm>> Vm::create(const Limits& limits, const Clock& clock) {
  std::unique_ptr<Vm> vm(new Vm(limits, clock));
  vm->state_ = lua_newstate(CappedAllocator::reallocate, &vm->allocator_);
  if (vm->state_ == nullptr) return fail(ErrorKind::limit, "memory limit too small to start Lua");
  lua_atpanic(vm->state_, panicked);
  *static_cast<Vm**>(lua_getextraspace(vm->state_)) = vm.get();
  lua_pushcfunction(vm->state_, on_error);
  lua_pushcfunction(vm->state_, open);
  if (lua_pcall(vm->state_, 0, 0, 0) != LUA_OK)
    return fail(ErrorKind::limit, fmt::format("memory limit of {} is too small to start Lua", to_string(limits.memory_max)));
  lua_sethook(vm->state_, on_hook, LUA_MASKCOUNT, static_cast<int>(kStride));
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
  const int base = lua_gettop(state_);
  const int status = luaL_loadbufferx(state_, text.data(), text.size(), ("=" + chunk).c_str(), "t");
  if (status == LUA_OK) return finish(status) ? Result<void>{} : fail(ErrorKind::limit, failure_.message);
  finish(status);
  lua_settop(state_, base);
  return fail(spent_ ? ErrorKind::limit : ErrorKind::invalid, failure_.message);
}

void Vm::begin() {
  meter_.instructions_left = limits_.instructions_max;
  deadline_set_ = false;
}

bool Vm::call(int arguments, int results) {
  const int base = lua_gettop(state_) - arguments - 1;
  begin();
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
  meter_.instructions_left = kUnlimited;
  if (status == LUA_OK && meter_.stop == Stop::none) [[likely]]
    return true;
  failure_.stop = meter_.stop;
  // Anything but Lua's own codes is an exception of ours that came through: the heap is exhausted.
  if (failure_.stop == Stop::none && status != LUA_OK && status != LUA_ERRRUN && status != LUA_ERRERR &&
      status != LUA_ERRSYNTAX)
    failure_.stop = Stop::memory;
  spent_ = failure_.stop != Stop::none;
  const char* text = lua_type(state_, -1) == LUA_TSTRING ? lua_tostring(state_, -1) : nullptr;
  const bool told = text != nullptr && failure_.stop != Stop::memory && status == LUA_ERRRUN;
  if (spent_ && !told) failure_.message = describe(failure_.stop);
  else failure_.message = text != nullptr ? text : "error without a message";
  if (failure_.message.size() > kMessageMax) failure_.message.resize(kMessageMax);
  if (failure_.stop == Stop::memory) failure_.traceback.clear();
  return false;
}

std::string Vm::describe(Stop stop) const {
  switch (stop) {
    case Stop::memory: return fmt::format("memory limit of {} reached", to_string(limits_.memory_max));
    case Stop::instructions: return fmt::format("instruction limit of {} reached", limits_.instructions_max);
    case Stop::time: return fmt::format("time limit of {} ms reached", limits_.time_max.count());
    case Stop::none: break;
  }
  return {};
}

void Vm::note_stop(lua_State* running, Stop stop) {
  if (meter_.stop == Stop::none) meter_.stop = stop;
  lua_sethook(running, on_hook, LUA_MASKCOUNT, 1);
  lua_sethook(state_, on_hook, LUA_MASKCOUNT, 1);
}

// The first question starts the time: a call too short for one never reads the clock.
bool Vm::out_of_time() {
  charged_ = 0;
  const SteadyTime now = clock_.steady();
  if (!deadline_set_) deadline_ = now + limits_.time_max;
  deadline_set_ = true;
  return now > deadline_;
}

void Vm::charge(lua_State* running, std::uint64_t steps) {
  Stop stop = Stop::none;
  if (steps <= static_cast<std::uint64_t>(std::max<std::int64_t>(meter_.instructions_left, 0))) {
    meter_.instructions_left -= static_cast<std::int64_t>(steps);
    charged_ += steps;
    if (charged_ < kStride) return;
    // A C function may take much longer than what it charges, and no hook fires before it returns.
    if (!out_of_time()) return;
    stop = Stop::time;
  } else {
    meter_.instructions_left = 0;
    stop = Stop::instructions;
  }
  note_stop(running, stop);
  failure_.traceback = frames(running, 1);
  luaL_error(running, "%s", describe(meter_.stop).c_str());
}

void Vm::on_line(std::function<void(std::string_view source, int line)> heard) {
  line_heard_ = std::move(heard);
  const int lines = line_heard_ ? LUA_MASKLINE : 0;
  lua_sethook(state_, on_hook, LUA_MASKCOUNT | lines, static_cast<int>(kStride));
}

void Vm::on_hook(lua_State* running, lua_Debug* where) {
  Vm& vm = of(running);
  if (where->event == LUA_HOOKCOUNT) [[likely]]
    return vm.on_count(running, where);
  lua_getinfo(running, "Sl", where);
  std::string_view source(where->source, where->srclen);
  if (source.starts_with('=')) source.remove_prefix(1);
  vm.line_heard_(source, where->currentline);
}

void Vm::on_count(lua_State* running, lua_Debug* where) {
  meter_.instructions_left -= static_cast<std::int64_t>(kStride);
  Stop stop = meter_.stop;
  if (stop == Stop::none && meter_.instructions_left < 0) stop = Stop::instructions;
  if (stop == Stop::none) {
    if (!out_of_time()) return;
    stop = Stop::time;
  }
  note_stop(running, stop);
  failure_.traceback = frames(running, 0);
  lua_getinfo(running, "Sl", where);
  lua_pushfstring(running, "%s:%d: %s", where->short_src, where->currentline, describe(stop).c_str());
  lua_error(running);
}

// Runs where the error happened, before the stack is unwound.
int Vm::on_error(lua_State* running) {
  Vm& vm = of(running);
  if (vm.stop() != Stop::none) return 1;
  vm.failure_.traceback = frames(running, 1);
  if (lua_type(running, 1) == LUA_TSTRING) return 1;
  if (luaL_getmetafield(running, 1, "__tostring") != LUA_TNIL || lua_type(running, 1) == LUA_TNUMBER) {
    luaL_tolstring(running, 1, nullptr);
    return 1;
  }
  lua_pushfstring(running, "error value is a %s", luaL_typename(running, 1));
  return 1;
}

}  // namespace penstock::scripting
