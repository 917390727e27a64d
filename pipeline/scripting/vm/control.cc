// pcall, xpcall and coroutines that a stop passes through. See vm.h.

#include <lua.hpp>

#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/original.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

// A new thread starts with a full stride before its first hook; creating one costs as much, so that many short ones
// cannot run for free.
constexpr std::uint64_t kThreadSteps = 1000;
// Errors and yields are exceptions of C++, which take microseconds; an error in a handler is an error that the handler gets,
// two hundred times.
constexpr std::uint64_t kCaughtSteps = 400;
constexpr std::uint64_t kHandlerFailedSteps = 50'000;
constexpr std::uint64_t kResumeSteps = 400;

// A call of a C function that does next to nothing, beside the instructions around it.
constexpr std::uint64_t kQuestionSteps = 4;

// With the error value on top: raises it again when it was a limit, and returns when the script may have it.
void pass_on_stop(lua_State* state, int status) {
  Vm& vm = Vm::of(state);
  vm.note_status(status);
  // Neither an error nor one in a handler: memory is used up, or an exception of C++ came through.
  if (status != LUA_ERRRUN && status != LUA_ERRERR && vm.stop() == Stop::none) vm.note_stop(state, Stop::memory);
  if (vm.stop() == Stop::none) return;
  vm.note_stop(state, vm.stop());
  lua_error(state);
}

// `skip` values lie below the `true` that the results follow.
int finish_protected(lua_State* state, int status, lua_KContext skip) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(state) - static_cast<int>(skip);
  pass_on_stop(state, status);
  Vm::of(state).charge(state, status == LUA_ERRERR ? kHandlerFailedSteps : kCaughtSteps);
  lua_pushboolean(state, 0);
  lua_insert(state, -2);
  return 2;
}

int protected_call(lua_State* state) {
  luaL_checkany(state, 1);
  lua_pushboolean(state, 1);
  lua_insert(state, 1);
  const int status = lua_pcallk(state, lua_gettop(state) - 2, LUA_MULTRET, 0, 0, finish_protected);
  return finish_protected(state, status, 0);
}

// Between an error and a script's own handler: after a stop the handler is not called, for it would run with hooks off.
int guarded_handler(lua_State* state) {
  if (Vm::of(state).stop() != Stop::none) return 1;
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, 1, 1);
  return 1;
}

int protected_call_with_handler(lua_State* state) {
  luaL_checktype(state, 2, LUA_TFUNCTION);
  lua_pushvalue(state, 2);
  lua_pushcclosure(state, guarded_handler, 1);
  lua_replace(state, 2);
  lua_pushboolean(state, 1);
  lua_pushvalue(state, 1);
  lua_rotate(state, 3, 2);  // function, handler, true, function, arguments…
  const int status = lua_pcallk(state, lua_gettop(state) - 4, LUA_MULTRET, 2, 2, finish_protected);
  return finish_protected(state, status, 2);
}

int coroutine_create(lua_State* state) {
  luaL_checktype(state, 1, LUA_TFUNCTION);
  Vm::of(state).charge(state, kThreadSteps);
  lua_State* thread = lua_newthread(state);
  lua_pushvalue(state, 1);
  lua_xmove(state, thread, 1);
  return 1;
}

// Moves `arguments` values over, runs the thread, and moves its results or its error back. Negative: an error.
int resume_thread(lua_State* state, lua_State* thread, int arguments) {
  if (lua_checkstack(thread, arguments) == 0) {
    lua_pushliteral(state, "too many arguments to resume");
    return -1;
  }
  Vm& vm = Vm::of(state);
  vm.charge(state, kResumeSteps);
  lua_xmove(state, thread, arguments);
  int results = 0;
  lua_State* before = vm.set_running(thread);
  const int status = lua_resume(thread, state, arguments, &results);
  vm.set_running(before);
  if (status == LUA_OK || status == LUA_YIELD) {
    luaL_checkstack(state, results + 1, "too many results to resume");
    lua_xmove(thread, state, results);
    return results;
  }
  lua_xmove(thread, state, 1);
  pass_on_stop(state, status);
  vm.charge(state, kCaughtSteps);
  return -1;
}

int coroutine_resume(lua_State* state) {
  lua_State* thread = lua_tothread(state, 1);
  luaL_argexpected(state, thread != nullptr, 1, "coroutine");
  const int results = resume_thread(state, thread, lua_gettop(state) - 1);
  lua_pushboolean(state, results >= 0 ? 1 : 0);
  const int moved = results >= 0 ? results : 1;
  lua_insert(state, -(moved + 1));
  return moved + 1;
}

int resume_wrapped(lua_State* state) {
  const int results = resume_thread(state, lua_tothread(state, lua_upvalueindex(1)), lua_gettop(state));
  if (results >= 0) return results;
  if (lua_type(state, -1) == LUA_TSTRING) {
    luaL_where(state, 1);
    lua_insert(state, -2);
    lua_concat(state, 2);
  }
  return lua_error(state);
}

int coroutine_wrap(lua_State* state) {
  coroutine_create(state);
  lua_pushcclosure(state, resume_wrapped, 1);
  return 1;
}

int charged_question(lua_State* state) {
  Vm::of(state).charge(state, kQuestionSteps);
  return original(state);
}

}  // namespace

void add_control(lua_State* state) {
  constexpr luaL_Reg kProtected[] = {{"pcall", protected_call}, {"xpcall", protected_call_with_handler}, {nullptr, nullptr}};
  constexpr luaL_Reg kCoroutine[] = {
      {"create", coroutine_create}, {"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {nullptr, nullptr}};
  luaL_setfuncs(state, kProtected, 0);
  luaL_requiref(state, "coroutine", luaopen_coroutine, 0);
  lua_pushnil(state);
  lua_setfield(state, -2, "close");
  luaL_setfuncs(state, kCoroutine, 0);
  check(state, {{"running", charged_question}, {"status", charged_question}, {"isyieldable", charged_question}});
  freeze_table(state);
  lua_setfield(state, -2, "coroutine");
}

}  // namespace penstock::scripting
