// What an app remembers of a distinct id from one event to the next.

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <lua.hpp>
#include <string>
#include <utility>

#include "pipeline/event/json.h"
#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/library/json_tables.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::size_t kKeyBytesMax = 200;
constexpr std::size_t kValueBytesMax = 64 << 10;
constexpr double kTtlSecondsMax = 100.0 * 366 * 24 * 3600;
// A read that finds nothing in memory asks the disk: this many keep an event well inside of its time.
constexpr std::uint64_t kStepsPerCall = 100;

// The row that a call is about. Raises when the app may not have it.
class Row {
 public:
  // The key is the first argument.
  Row(lua_State* state, std::string_view function) : state_(state), function_(function), journal_(open(state)) {
    key_ = text_argument(state, 1);
    if (key_.empty() || key_.size() > kKeyBytesMax)
      refuse(fmt::format("the key has {} bytes; it may have 1 to {}", key_.size(), kKeyBytesMax));
    Vm::of(state).charge(state, kStepsPerCall);
  }

  std::optional<StateValue> get() {
    auto value = journal_.get(table(), key_);
    if (!value) refuse(value.error().message);
    return *std::move(value);
  }

  void put(std::optional<StateValue> value) {
    if (const auto done = journal_.put(table(), key_, std::move(value)); !done) refuse(done.error().message);
  }

  // The argument at `index`, seconds from now; `otherwise` when it is not given.
  Timestamp expiry(int index, Timestamp otherwise) const {
    if (lua_isnoneornil(state_, index)) return otherwise;
    luaL_checktype(state_, index, LUA_TNUMBER);
    const double seconds = lua_tonumber(state_, index);
    if (!(seconds > 0 && seconds <= kTtlSecondsMax)) refuse("the ttl must be more than 0 seconds and at most 100 years");
    return {journal_.now().ms + static_cast<std::int64_t>(std::ceil(seconds * 1000))};
  }

  // "app.state.set('visits')", for messages.
  std::string place() const { return fmt::format("app.state.{}('{}')", function_, shown(key_)); }

  [[noreturn]] void refuse(std::string_view reason) const {
    luaL_error(state_, "%s", fmt::format("{}: {}", place(), reason).c_str());
    std::unreachable();
  }

  static std::string shown(std::string_view text) {
    constexpr std::size_t kShown = 60;
    return text.size() <= kShown ? std::string(text) : fmt::format("{}…", text.substr(0, kShown));
  }

 private:
  static StateJournal& open(lua_State* state) {
    AppTable& app = app_table(state);
    if (!app.may_use_state())
      luaL_error(state, "app.state needs a permission: add `permissions: { state: true }` to app.yaml");
    StateJournal* journal = app.journal();
    if (journal == nullptr) {
      luaL_error(state, "app.state belongs to an event: there is none while an app is loaded");
      std::unreachable();
    }
    if (!journal->available())
      luaL_error(state,
                 "app.state is not available here: it is for the pipeline's `apps:`, whose events are committed with it");
    if (!journal->has_owner())
      luaL_error(state,
                 "app.state is kept for each distinct id, and this event has none: test app.facts().distinct_id first");
    return *journal;
  }
  std::string_view table() const { return app_table(state_).state_table(); }

  lua_State* state_;
  std::string_view function_;
  StateJournal& journal_;
  std::string_view key_;
};

int get(lua_State* state) {
  Row row(state, "get");
  const auto value = row.get();
  if (!value) return lua_pushnil(state), 1;
  charge_for_bytes(state, value->value.size());
  push_json(state, value->value);
  return 1;
}

int set(lua_State* state) {
  Row row(state, "set");
  luaL_checkany(state, 2);
  lua_settop(state, 3);
  const Timestamp expires_at = row.expiry(3, {});
  if (lua_isnil(state, 2)) return row.put(std::nullopt), 0;
  const std::string place = row.place();
  const std::string_view text = Binding::of(state).json().write(state, 2, 0, {nullptr, Document::kNone, place});
  if (text.size() > kValueBytesMax)
    row.refuse(fmt::format("the value has {} bytes as JSON; at most {}", text.size(), kValueBytesMax));
  charge_for_bytes(state, text.size());
  row.put(StateValue{std::string(text), expires_at});
  return 0;
}

int incr(lua_State* state) {
  Row row(state, "incr");
  lua_Integer by = 1;
  if (!lua_isnoneornil(state, 2)) {
    luaL_checktype(state, 2, LUA_TNUMBER);
    by = luaL_checkinteger(state, 2);
  }
  const auto before = row.get();
  const auto stored = before ? json::to_int64(before->value) : std::optional<std::int64_t>(0);
  if (!stored) row.refuse(fmt::format("what is stored is no integer but {}", Row::shown(before->value)));
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*stored, std::int64_t{by}, &sum))
    row.refuse(fmt::format("{} and {} add up to more than 64 bits hold", *stored, by));
  row.put(StateValue{std::to_string(sum), row.expiry(3, before ? before->expires_at : Timestamp{})});
  lua_pushinteger(state, sum);
  return 1;
}

int remove(lua_State* state) {
  Row(state, "delete").put(std::nullopt);
  return 0;
}

constexpr AppFunction kFunctions[] = {
    {"state.get", "key: string", "any",
     "What was stored under the key for the event's distinct id; nil when there is nothing or it has expired. Each app has "
     "keys of its own, for each distinct id of a project: the one that the event had when it came in. Sources that push "
     "(http, "
     "stdin) share them; each source that is read in place (file) has keys of its own. What is stored travels in the "
     "same commit as the event, so it happens exactly once: an event that fails changes nothing. Needs `permissions: { "
     "state: "
     "true }` in app.yaml.",
     "app.state.get('visits') or 0", "0", get},
    {"state.set", "key: string, value: any, ttl?: number", "",
     "Stores a value: anything that has JSON, at most 64 KiB of it; nil deletes. It expires `ttl` seconds after app.now(), "
     "or "
     "never. A key has 1 to 200 bytes; an event may change 100 keys.",
     "app.state.set('last', {plan = event.properties.plan, at = app.now()}, 3600)", "null", set},
    {"state.incr", "key: string, by?: integer, ttl?: number", "integer",
     "Adds to an integer, 1 when `by` is not given, and returns the sum; nothing stored counts as 0. With a ttl it expires "
     "that "
     "many seconds from now, without one as it would have. An error when something else is stored or the sum needs more "
     "than "
     "64 bits.",
     "app.state.incr('visits')", "1", incr},
    {"state.delete", "key: string", "", "Forgets what is stored under the key.", "app.state.delete('visits')", "null",
     remove},
};

}  // namespace

std::span<const AppFunction> state_functions() { return kFunctions; }

}  // namespace penstock::scripting
