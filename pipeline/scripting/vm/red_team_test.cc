#include <doctest/doctest.h>

#include <chrono>
#include <lua.hpp>
#include <set>
#include <string>

#include "pipeline/scripting/vm/attacks.h"
#include "pipeline/scripting/vm/vm.h"

using namespace penstock;
using namespace penstock::scripting;

namespace {

// A tenth of the defaults, for a sanitized build takes ten times as long.
Limits small() {
  return {.memory_max = Bytes{(64 << 20) / 10}, .instructions_max = 1'000'000, .time_max = Duration{20'000}};
}

std::string text_on_top(Vm& vm) {
  const char* text = lua_tostring(vm.state(), -1);
  const std::string copy = text != nullptr ? text : luaL_typename(vm.state(), -1);
  lua_pop(vm.state(), 1);
  return copy;
}

void check(const Attack& attack) {
  CAPTURE(attack.topic);
  CAPTURE(attack.name);
  auto vm = Vm::create(small()).value();
  vm->freeze_globals();
  const auto compiled = vm->compile(attack.script, "app.lua");
  const bool returned = compiled && vm->call(0, 1);
  const std::string message = returned ? text_on_top(*vm) : compiled ? vm->failure().message : compiled.error().message;
  CAPTURE(message);
  CHECK(returned == (attack.end == Attack::End::value));
  CHECK(attack.may_stop_by(vm->failure().stop));
  CHECK(vm->spent() == (attack.end == Attack::End::limit));
  if (attack.end == Attack::End::value) CHECK(message == attack.says);
  if (attack.end == Attack::End::error) CHECK(message.find(attack.says) != std::string::npos);
  if (attack.end == Attack::End::limit) CHECK(message.starts_with("app.lua:1: "));
  CHECK(vm->memory_used() <= small().memory_max.count);
  CHECK(vm->memory_held() <= CappedAllocator::held_max(small().memory_max.count));
}

}  // namespace

TEST_CASE("every attack ends as it should, soon") {
  std::set<std::string> names;
  for (const Attack& attack : all_attacks()) {
    const auto start = std::chrono::steady_clock::now();
    check(attack);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    CHECK(names.insert(attack.topic + attack.name).second);
  }
  CHECK(names.size() >= 60);
}

TEST_CASE("what is not spent by an attack goes on") {
  auto vm = Vm::create(small()).value();
  vm->freeze_globals();
  for (const Attack& attack : all_attacks()) {
    if (attack.end == Attack::End::limit) continue;
    CAPTURE(attack.name);
    if (vm->compile(attack.script, "app.lua") && vm->call(0, 1)) lua_pop(vm->state(), 1);
    REQUIRE_FALSE(vm->spent());
    REQUIRE(vm->compile("return ('x'):rep(3) .. #{1, 2}", "app.lua"));
    REQUIRE(vm->call(0, 1));
    CHECK(text_on_top(*vm) == "xxx2");
    CHECK(lua_gettop(vm->state()) == 1);
  }
}
