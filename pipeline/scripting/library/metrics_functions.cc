// What apps count and measure.

#include <array>

#include "pipeline/scripting/library/app_metrics.h"
#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/library/json_tables.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kSteps = 40;

// Labels from the table at `index`; the texts stay on the stack.
std::size_t read_labels(lua_State* state, int index, std::array<AppMetrics::Label, AppMetrics::kLabelsMax>& labels) {
  if (lua_isnoneornil(state, index)) return 0;
  table_argument(state, index);
  luaL_checkstack(state, static_cast<int>(2 * labels.size()) + 4, "labels");
  std::size_t count = 0;
  const int first = lua_gettop(state) + 1;
  lua_pushnil(state);
  while (lua_next(state, index) != 0) {
    if (lua_type(state, -2) != LUA_TSTRING) luaL_error(state, "names of labels must be strings");
    if (count == labels.size()) luaL_error(state, "a metric may have %d labels", static_cast<int>(labels.size()));
    const int type = lua_type(state, -1);
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
      luaL_error(state, "label '%s': a string, number or boolean expected, got %s", lua_tostring(state, -2),
                 type == LUA_TLIGHTUSERDATA ? "app.null or a part of the event" : luaL_typename(state, -1));
    // What goes below the key stays: the text that the value's view points into.
    luaL_tolstring(state, -1, nullptr);
    labels[count++] = {text_at(state, -3), text_at(state, -1)};
    lua_insert(state, first);
    lua_pop(state, 1);
  }
  return count;
}

int record(lua_State* state, AppMetrics::Kind kind, std::string_view name, double value, int labels_index) {
  AppMetrics* metrics = app_table(state).metrics();
  if (metrics == nullptr) return luaL_error(state, "there is nothing to count while the app is being loaded");
  Vm::of(state).charge(state, kSteps);
  std::array<AppMetrics::Label, AppMetrics::kLabelsMax> labels;
  const std::size_t count = read_labels(state, labels_index, labels);
  if (const auto recorded = metrics->record(kind, name, value, std::span(labels).first(count)); !recorded)
    luaL_error(state, "%s", recorded.error().message.c_str());
  return 0;
}

int counter(lua_State* state) {
  const std::string_view name = text_argument(state, 1);
  lua_settop(state, 3);
  // The amount may be left out before labels.
  const bool labels_second = lua_istable(state, 2) || lua_islightuserdata(state, 2);
  const double amount = labels_second ? 1 : luaL_optnumber(state, 2, 1);
  return record(state, AppMetrics::Kind::counter, name, amount, labels_second ? 2 : 3);
}

int gauge(lua_State* state) {
  const std::string_view name = text_argument(state, 1);
  lua_settop(state, 3);
  return record(state, AppMetrics::Kind::gauge, name, luaL_checknumber(state, 2), 3);
}

constexpr AppFunction kFunctions[] = {
    {"metrics.counter", "name: string, amount?: number, labels?: table<string, string|number|boolean>", "",
     "Adds to a counter, 1 when no amount is given; published as penstock_app_<name>_total with the label app, at the end "
     "of "
     "the batch. Names are a-z, 0-9 and _, at most 64 characters. An app may have 20 metrics, a metric 5 labels and 100 "
     "combinations of their values, each of at most 64 bytes: beyond that they become 'other', and "
     "penstock_app_label_overflows_total counts it. What was counted stays counted when the event fails.",
     "app.metrics.counter('signups', 1, {plan = event.properties.plan})", "null", counter},
    {"metrics.gauge", "name: string, value: number, labels?: table<string, string|number|boolean>", "",
     "Sets a gauge, published as penstock_app_<name>: the last value that any worker set. Otherwise as app.metrics.counter.",
     "app.metrics.gauge('last_seen', app.now())", "null", gauge},
};

}  // namespace

std::span<const AppFunction> metrics_functions() { return kFunctions; }

}  // namespace penstock::scripting
