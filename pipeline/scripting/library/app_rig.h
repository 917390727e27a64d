#pragma once
// For tests and benchmarks: Lua over an event and the `app` table, without an app.

#include <expected>
#include <memory>
#include <string>

#include "pipeline/event/timestamps.h"
#include "pipeline/ports/memory_state.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/view/binding.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::scripting::testing {

// One script's surroundings, without an app: the event is the one of app_table.h.
class Surroundings {
 public:
  explicit Surroundings(const Limits& limits = {}) : vm_(Vm::create(limits).value()), binding_(*vm_) {
    binding_.install().value();
    vm_->protect([this](lua_State* state) {
         Manifest manifest;
         manifest.permissions.state = true;
         table_.push(state, *vm_, manifest, {});
         vm_->set_global("app");
       })
        .value();
    facts_.uuid = *Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
    facts_.event = "signup";
    facts_.distinct_id = "ann";
    const Timestamp now = *parse_timestamp("2026-01-01T00:00:00Z");
    journal_.begin_batch(now, &memory_);
    table_.begin_batch(now, journal_, metrics);
  }

  // The JSON of an expression's value, nil as null; "error: …" when it raises.
  std::string eval(const std::string& expression) { return run("return app.json.encode((" + expression + "))"); }

  // The string that a chunk returns; "error: …" when it raises or is none.
  std::string run(const std::string& chunk) {
    const auto text = attempt(chunk);
    return text ? *text : "error: " + text.error();
  }

  // The same, with the error's message apart. `name` is what places in messages begin with.
  std::expected<std::string, std::string> attempt(const std::string& chunk, const std::string& name = "test") {
    lua_State* state = vm_->state();
    arena_.reset();
    json::index_object(kEvent, index_).value();
    event_.open(index_, facts_, true);
    table_.begin_event();
    journal_.begin_event(facts_);
    binding_.open(event_, Binding::Access::write);
    if (const auto compiled = vm_->compile("local event = ... " + chunk, name); !compiled)
      return std::unexpected(compiled.error().message);
    lua_pushlightuserdata(state, binding_.root());
    if (!vm_->call(1, 1)) return std::unexpected(vm_->failure().message);
    std::string text(lua_isstring(state, -1) != 0 ? text_at(state, -1) : "no string");
    lua_pop(state, 1);
    return text;
  }

  AppTable& table() { return table_; }
  Vm& vm() { return *vm_; }
  std::string logged;
  AppMetrics metrics;

 private:
  static constexpr std::string_view kEvent =
      R"({"event":"signup","distinct_id":"ann","properties":{"plan":"pro","email":"ann@example.com"}})";

  fakes::ManualClock clock_;
  std::unique_ptr<Vm> vm_;
  Binding binding_;
  AppTable table_{"test", [this](LogLevel, std::string_view, std::string_view line) { logged += std::string(line) + "\n"; },
                  clock_};
  MemoryState memory_;
  StateJournal journal_;
  Arena arena_;
  EventState event_{arena_};
  Facts facts_;
  json::ObjectIndex index_;
};

}  // namespace penstock::scripting::testing
