#include "pipeline/scripting/transform/script.h"

#include <fmt/format.h>

#include <lua.hpp>

#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/frozen.h"

namespace penstock::scripting {
namespace {

// Where the state's stack keeps what every call needs, above the Vm's own.
constexpr int kTransform = 2;
constexpr int kAppTable = 3;
constexpr int kWhen = 4;

constexpr long long kBodiesMax = 10'000;
constexpr char kModules = 0;  // its address is the registry key of the table of loaded modules

class Loading {
 public:
  Loading(std::set<std::string>& all, const std::string& name) : all_(all), name_(name) { all_.insert(name_); }
  ~Loading() { all_.erase(name_); }
  Loading(const Loading&) = delete;
  Loading& operator=(const Loading&) = delete;

 private:
  std::set<std::string>& all_;
  const std::string& name_;
};

// What stands in a list beside its events would be lost without a word.
void refuse_other_keys(lua_State* state, long long size) {
  if (!push_frozen_content(state, 1)) lua_pushvalue(state, 1);
  lua_pushnil(state);
  while (lua_next(state, -2) != 0) {
    lua_pop(state, 1);
    Vm::of(state).charge(state, 1);
    const lua_Integer at = lua_isinteger(state, -1) != 0 ? lua_tointeger(state, -1) : 0;
    if (at >= 1 && at <= size) continue;
    if (lua_type(state, -1) == LUA_TSTRING)
      luaL_error(state, "transform returned a list of events that also has the key '%s'; return an event, or a list of them",
                 std::string(lua_tostring(state, -1)).substr(0, 40).c_str());
    luaL_error(state, "transform returned a list of events with holes; its keys must be 1 to n");
  }
  lua_settop(state, 1);
}

// The function `transform` of what app.lua returned, or nil.
int transform_of(lua_State* state) {
  if (!lua_istable(state, 1)) return 0;
  lua_pushliteral(state, "transform");
  return lua_rawget(state, 1) == LUA_TFUNCTION ? 1 : 0;
}

}  // namespace

Script::Script(const AppPlan& plan, std::unique_ptr<Vm> vm, const LogSink& log, const Clock& clock, LogAllowance* allowance)
    : plan_(plan), vm_(std::move(vm)), binding_(*vm_), table_(plan.name, log, clock, allowance) {}

Result<std::unique_ptr<Script>> Script::load(const AppPlan& plan, const LogSink& log, const Clock& clock,
                                             LogAllowance* allowance) {
  auto vm = Vm::create(plan.limits, clock);
  if (!vm) return fail(vm.error().context(plan.name));
  if (plan.on_line) (*vm)->on_line(plan.on_line);
  std::unique_ptr<Script> script(new Script(plan, *std::move(vm), log, clock, allowance));
  if (auto started = script->start(); !started) return fail(std::move(started).error().context(plan.name));
  return script;
}

Result<void> Script::start() {
  TRY(binding_.install());
  TRY(vm_->protect([this](lua_State* state) {
    lua_newtable(state);
    lua_rawsetp(state, LUA_REGISTRYINDEX, &kModules);
    lua_pushlightuserdata(state, this);
    lua_pushcclosure(state, require, 1);
    vm_->set_global("require");
    table_.push(state, *vm_, plan_.manifest, plan_.settings);
    lua_pushvalue(state, -1);
    vm_->set_global("app");
    lua_rawsetp(state, LUA_REGISTRYINDEX, this);
  }));
  TRY(find_transform());
  lua_rawgetp(vm_->state(), LUA_REGISTRYINDEX, this);
  vm_->freeze_globals();
  if (plan_.when.empty()) return lua_pushnil(vm_->state()), Result<void>();
  plain_when_ = PlainCondition::parse(plan_.when);
  return push_expression(*vm_, plan_.when);
}

// Runs app.lua and leaves its `transform` on the stack.
Result<void> Script::find_transform() {
  lua_State* state = vm_->state();
  const AppSource::File* main = plan_.source.find("app");
  TRY(vm_->compile(main->text, main->name));
  if (!vm_->call(0, 1)) return fail(vm_->spent() ? ErrorKind::limit : ErrorKind::invalid, vm_->failure().message);
  lua_pushcfunction(state, transform_of);
  lua_insert(state, -2);
  if (!vm_->call(1, 1)) return fail(vm_->spent() ? ErrorKind::limit : ErrorKind::invalid, vm_->failure().message);
  const bool found = lua_isfunction(state, -1);
  if (!found)
    return fail(ErrorKind::invalid, "app.lua must return a table with a function `transform`: local M = {} … return M");
  return {};
}

// Modules are this app's own files, read when it was loaded; names are not paths, so none leads out of its folder.
int Script::require(lua_State* state) {
  auto& self = *static_cast<Script*>(lua_touserdata(state, lua_upvalueindex(1)));
  luaL_checkstring(state, 1);
  const std::string name(text_at(state, 1));
  lua_settop(state, 1);
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kModules);
  if (lua_getfield(state, -1, name.c_str()) != LUA_TNIL) {
    return 1;
  }
  if (self.loading_.contains(name)) return luaL_error(state, "module '%s' requires itself", name.c_str());
  const AppSource::File* file = self.plan_.source.find(name);
  if (file == nullptr) return luaL_error(state, "module '%s' is not in the app's folder", name.c_str());
  // Until it is loaded or has failed: the next `require` of one that failed tells its error again.
  const Loading loading(self.loading_, name);
  const int compiled = luaL_loadbufferx(state, file->text.data(), file->text.size(), ("=" + file->name).c_str(), "t");
  if (compiled != LUA_OK) return lua_error(state);
  lua_call(state, 0, 1);
  if (lua_isnil(state, -1)) lua_pushboolean(state, 1);
  lua_pushvalue(state, -1);
  lua_setfield(state, 2, name.c_str());
  return 1;
}

Answer Script::wants(EventState& event) {
  if (plan_.when.empty()) return Answer::yes;
  if (plain_when_) {
    const auto verdict = plain_when_->of(event.document(), event.facts());
    if (verdict != PlainCondition::Verdict::ask_lua)
      return verdict == PlainCondition::Verdict::yes ? Answer::yes : Answer::no;
  }
  table_.begin_event();
  return evaluate(*vm_, binding_, kWhen, event);
}

Script::Returned Script::transform(EventState& event) {
  lua_State* state = vm_->state();
  table_.begin_event();
  binding_.open(event, Binding::Access::write);
  lua_pushvalue(state, kTransform);
  lua_pushlightuserdata(state, binding_.root());
  lua_pushvalue(state, kAppTable);
  if (!vm_->call(2, 1)) return Returned::error;
  if (lua_islightuserdata(state, -1) && lua_touserdata(state, -1) == binding_.root()) [[likely]] {
    lua_pop(state, 1);
    return Returned::event;
  }
  if (lua_isnil(state, -1)) {
    lua_pop(state, 1);
    return Returned::none;
  }
  bodies_.clear();
  lua_pushcfunction(state, collect);
  lua_insert(state, -2);
  lua_pushlightuserdata(state, this);
  if (!vm_->call(2, 0)) return Returned::error;
  return bodies_.empty() ? Returned::none : Returned::bodies;
}

int Script::collect(lua_State* state) {
  auto& self = *static_cast<Script*>(lua_touserdata(state, 2));
  lua_settop(state, 1);
  self.collect_value(state);
  return 0;
}

void Script::collect_value(lua_State* state) {
  if (lua_istable(state, 1)) {
    const bool list = lua_geti(state, 1, 1) != LUA_TNIL;
    if (!push_frozen_content(state, 1)) lua_pushvalue(state, 1);
    const bool empty = (lua_pushnil(state), lua_next(state, -2)) == 0;
    lua_settop(state, 1);
    if (list) return collect_list(state);
    if (!empty) return add_body(state, 1, 0);
    if (lua_getmetatable(state, 1) != 0 && !LuaJson::is_array(state, 1))
      luaL_error(state, "transform returned a table that has only what its metatable gives; return a copy of it");
    return;
  }
  if (lua_islightuserdata(state, 1) && lua_touserdata(state, 1) != nullptr) {
    const bool array = binding_.part_text(state, lua_touserdata(state, 1)).front() == '[';
    if (array) return collect_list(state);
    return add_body(state, 1, 0);
  }
  luaL_error(state, "transform returned a %s; it must return the event, nil, a table or a list of events",
             lua_islightuserdata(state, 1) ? "JSON null" : luaL_typename(state, 1));
}

void Script::collect_list(lua_State* state) {
  const long long size = luaL_len(state, 1);
  if (size > kBodiesMax) luaL_error(state, "transform returned a list of more than 10000 events");
  if (lua_istable(state, 1)) refuse_other_keys(state, size);
  for (long long i = 1; i <= size; ++i) {
    lua_geti(state, 1, i);
    add_body(state, 2, i);
    lua_settop(state, 1);
  }
}

// `place` in the list, 0 when the value is all that was returned.
void Script::add_body(lua_State* state, int index, long long place) {
  const std::string what = place == 0 ? "the returned event" : fmt::format("the returned event {}", place);
  std::string_view text;
  if (lua_islightuserdata(state, index) && lua_touserdata(state, index) != nullptr) {
    text = binding_.part_text(state, lua_touserdata(state, index));
  } else if (lua_istable(state, index)) {
    text = binding_.json().write(state, index, 0, {nullptr, Document::kNone, what});
    vm_->charge(state, text.size() / 8);
    text = binding_.event(state).arena().copy(text);
  }
  if (text.size() > kBodyBytesMax * 2) luaL_error(state, "%s is larger than 2 MiB", what.c_str());
  if (text.empty() || text.front() != '{')
    luaL_error(state, "%s is no object but a %s", what.c_str(),
               !text.empty()                       ? "list"
               : lua_islightuserdata(state, index) ? "JSON null"
                                                   : luaL_typename(state, index));
  bodies_.push_back(text);
}

}  // namespace penstock::scripting
