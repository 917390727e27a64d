// Regular expressions. What scripts hold is a userdata with a place in the state's cache; the expression itself belongs to
// the cache, so nothing needs a finaliser.
//
// A search cannot be ended half-way. The worst patterns cost the instructions of their program times the bytes, for RE2 then
// simulates all of a program at every byte. Measured on a busy machine: "((((a{1,30}){1,30})))b", 1870 instructions, takes
// 11 ns for each of them and each byte, 21 s for 1 MiB. So that much must be left before a search begins: with the default
// limit none takes longer than 0.5 s. What it pays is the time it took, for most patterns take 1 ns a byte; a short one pays
// for the worst, which is cheaper than asking for the time.

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <span>
#include <string>

#include "pipeline/scripting/library/app_table.h"
#include "pipeline/scripting/library/regex_cache.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/frozen.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr const char* kClass = "regex";
constexpr char kObjects = 0;  // its address is the registry key of the table of regex objects by slot

constexpr std::uint64_t kStepsTimedFrom = 500;
constexpr std::chrono::nanoseconds kStepTime{8};
constexpr std::uint64_t kStepsPerInstruction = 50;  // of compiling
constexpr std::uint64_t kStepsOfRefusal = 100'000;
constexpr std::size_t kFlagsMax = 4;

using Captures = std::array<std::string_view, Regex::kGroupsMax + 1>;

// Finds or compiles. Raises with RE2's reason.
RegexCache::Found compiled(lua_State* state, std::string_view key) {
  Vm& vm = Vm::of(state);
  vm.charge(state, 1 + key.size() / 16);
  const auto found = app_table(state).regexes().get(key);
  if (!found) {
    vm.charge(state, kStepsOfRefusal);
    luaL_error(state, "invalid regular expression: %s", found.error().message.c_str());
  }
  if (found->compiled) vm.charge(state, found->regex->size() * kStepsPerInstruction);
  return *found;
}

// The expression of the object at `index`. Ask again after anything that may run a script.
const Regex& regex_at(lua_State* state, int index) {
  auto& handle = *static_cast<RegexCache::Handle*>(luaL_checkudata(state, index, kClass));
  if (const Regex* regex = app_table(state).regexes().at(handle)) [[likely]]
    return *regex;
  lua_getiuservalue(state, index, 1);
  const RegexCache::Found again = compiled(state, text_at(state, -1));
  lua_pop(state, 1);
  handle = again.handle;
  return *again.regex;
}

int regex(lua_State* state) {
  text_argument(state, 1);
  const std::string_view flags = optional_text(state, 2).value_or("");
  const bool are_flags = flags.size() <= kFlagsMax && flags.find_first_not_of("imsU") == std::string_view::npos;
  luaL_argcheck(state, are_flags, 2, "flags are i, m, s and U");
  lua_settop(state, 2);
  lua_pushfstring(state, "%s/", lua_isnil(state, 2) ? "" : lua_tostring(state, 2));
  lua_pushvalue(state, 1);
  lua_concat(state, 2);
  const RegexCache::Found found = compiled(state, text_at(state, 3));
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kObjects);
  lua_rawgeti(state, 4, found.handle.slot + 1);
  const auto* known = static_cast<const RegexCache::Handle*>(lua_touserdata(state, 5));
  if (known != nullptr && known->stamp == found.handle.stamp) return 1;
  *static_cast<RegexCache::Handle*>(lua_newuserdatauv(state, sizeof(RegexCache::Handle), 1)) = found.handle;
  lua_pushvalue(state, 3);
  lua_setiuservalue(state, -2, 1);
  luaL_setmetatable(state, kClass);
  lua_pushvalue(state, -1);
  lua_rawseti(state, 4, found.handle.slot + 1);
  return 1;
}

// A whole character of UTF-8 from `place` on is this long; any other byte counts as one.
std::size_t character_at(std::string_view text, std::size_t place) {
  std::size_t size = 1;
  while (place + size < text.size() && (static_cast<unsigned char>(text[place + size]) & 0xC0) == 0x80) ++size;
  return size;
}

// Regex::find, paid for. It cannot be ended half-way, so what the worst case costs has to be left: an instruction for each byte of
// text takes up to 11 ns when RE2 has no memory for states left. What it really took is charged.
bool find_paid(lua_State* state, const Regex& regex, std::string_view text, std::size_t from,
               std::span<std::string_view> found) {
  Vm& vm = Vm::of(state);
  const std::uint64_t most = 1 + (text.size() - from + 16) * (regex.size() + 4);
  if (most < kStepsTimedFrom) {
    vm.charge(state, most);
    return regex.find(text, from, found);
  }
  vm.demand(state, most);
  const auto start = Vm::thread_time();
  const bool matched = regex.find(text, from, found);
  const auto took = static_cast<std::uint64_t>((Vm::thread_time() - start) / kStepTime);
  vm.charge(state, std::min(most, 1 + took));
  return matched;
}

// The matches in a text one after another. As in Lua's own functions no empty match follows right behind another match.
class Search {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  Search(lua_State* state, std::string_view text, std::size_t from, std::size_t last_end = kNone)
      : state_(state), text_(text), from_(from), last_end_(last_end) {}

  // The next match into `captures`, or false. `regex` is the same expression each time.
  bool next(const Regex& regex) {
    for (; from_ <= text_.size(); from_ += character_at(text_, from_)) {
      if (!find_paid(state_, regex, text_, from_, std::span(captures).first(1 + regex.groups()))) return false;
      start = static_cast<std::size_t>(captures[0].data() - text_.data());
      from_ = start + captures[0].size();
      if (captures[0].empty() && start == last_end_) continue;
      last_end_ = from_;
      return true;
    }
    return false;
  }

  std::size_t end() const { return last_end_; }

  Captures captures;
  std::size_t start = 0;

 private:
  lua_State* state_;
  std::string_view text_;
  std::size_t from_;
  std::size_t last_end_;
};

void push_capture(lua_State* state, std::string_view capture) {
  if (capture.data() == nullptr) lua_pushnil(state);
  else push_text(state, capture);
}

// The groups, or the whole match when there are none. Returns how many.
int push_captures(lua_State* state, const Regex& regex, const Captures& captures) {
  const auto groups = static_cast<int>(regex.groups());
  luaL_checkstack(state, groups + 4, "too many captures");
  if (groups == 0) push_capture(state, captures[0]);
  for (int i = 1; i <= groups; ++i) push_capture(state, captures[static_cast<std::size_t>(i)]);
  return groups == 0 ? 1 : groups;
}

// The byte to begin at, as string.find reads it: from 1, negative from the end. Past the end: nothing is found.
std::size_t init_argument(lua_State* state, int index, std::size_t size) {
  const lua_Integer init = luaL_optinteger(state, index, 1);
  if (init > 0) return static_cast<std::size_t>(init) - 1;
  if (init == 0 || init < -static_cast<lua_Integer>(size)) return 0;
  return static_cast<std::size_t>(static_cast<lua_Integer>(size) + init);
}

int test(lua_State* state) {
  const Regex& expression = regex_at(state, 1);
  const std::string_view text = text_argument(state, 2);
  lua_pushboolean(state, find_paid(state, expression, text, 0, {}) ? 1 : 0);
  return 1;
}

int match(lua_State* state) {
  const Regex& expression = regex_at(state, 1);
  const std::string_view text = text_argument(state, 2);
  Search search(state, text, init_argument(state, 3, text.size()));
  if (!search.next(expression)) return lua_pushnil(state), 1;
  const auto names = expression.names();
  lua_createtable(state, static_cast<int>(names.size()), 1);
  for (std::size_t i = 0; i <= names.size(); ++i) {
    if (search.captures[i].data() == nullptr) continue;
    push_text(state, search.captures[i]);
    if (i > 0 && !names[i - 1].empty()) {
      lua_pushvalue(state, -1);
      lua_setfield(state, -3, names[i - 1].c_str());
    }
    lua_rawseti(state, -2, static_cast<lua_Integer>(i));
  }
  return 1;
}

int find(lua_State* state) {
  const Regex& expression = regex_at(state, 1);
  const std::string_view text = text_argument(state, 2);
  Search search(state, text, init_argument(state, 3, text.size()));
  if (!search.next(expression)) return lua_pushnil(state), 1;
  lua_pushinteger(state, static_cast<lua_Integer>(search.start) + 1);
  const std::size_t end = search.start + search.captures[0].size();
  lua_pushinteger(state, static_cast<lua_Integer>(end));
  return expression.groups() == 0 ? 2 : 2 + push_captures(state, expression, search.captures);
}

int next_match(lua_State* state) {  // upvalues: AppTable, regex, text, where to go on, where the last match ended
  const Regex& expression = regex_at(state, lua_upvalueindex(2));
  const auto from = static_cast<std::size_t>(lua_tointeger(state, lua_upvalueindex(4)));
  const auto last_end = static_cast<std::size_t>(lua_tointeger(state, lua_upvalueindex(5)));
  Search search(state, text_at(state, lua_upvalueindex(3)), from, last_end);
  if (!search.next(expression)) return lua_pushnil(state), 1;
  for (const int upvalue : {4, 5}) {
    lua_pushinteger(state, static_cast<lua_Integer>(search.end()));
    lua_replace(state, lua_upvalueindex(upvalue));
  }
  return push_captures(state, expression, search.captures);
}

int gmatch(lua_State* state) {
  regex_at(state, 1);
  text_argument(state, 2);
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_pushvalue(state, 1);
  lua_pushvalue(state, 2);
  lua_pushinteger(state, 0);
  lua_pushinteger(state, -1);
  lua_pushcclosure(state, next_match, 5);
  return 1;
}

// What a replacement text gives for a match: %0 is the match, %1 to %9 its groups, %% a percent sign.
void add_expanded(lua_State* state, luaL_Buffer* out, const Regex& expression, const Captures& captures) {
  std::string_view rest = text_at(state, 3);
  for (auto at = rest.find('%'); at != std::string_view::npos; at = rest.find('%')) {
    luaL_addlstring(out, rest.data(), at);
    const char what = at + 1 < rest.size() ? rest[at + 1] : '\0';
    if (what != '%' && (what < '0' || what > '9'))
      luaL_error(state, "invalid use of '%%' in the replacement; there are %%0 to %%9 and %%%%");
    const auto group = static_cast<std::size_t>(what - '0');
    if (what == '%') luaL_addchar(out, '%');
    else if (group > expression.groups() && !(group == 1 && expression.groups() == 0))
      luaL_error(state, "the replacement names group %%%d, and the expression has %d", static_cast<int>(group),
                 static_cast<int>(expression.groups()));
    else {
      const std::string_view text = captures[expression.groups() == 0 ? 0 : group];
      luaL_addlstring(out, text.data() == nullptr ? "" : text.data(), text.size());
    }
    rest.remove_prefix(at + 2);
  }
  luaL_addlstring(out, rest.data(), rest.size());
}

// What a table or function says; false and nil leave the match as it is.
void add_answer(lua_State* state, luaL_Buffer* out, const Regex& expression, const Captures& captures) {
  if (lua_isfunction(state, 3)) {
    lua_pushvalue(state, 3);
    lua_call(state, push_captures(state, expression, captures), 1);
  } else {
    push_capture(state, captures[expression.groups() == 0 ? 0 : 1]);
    if (!lua_isnil(state, -1)) lua_gettable(state, 3);
  }
  if (lua_isstring(state, -1) != 0) return luaL_addvalue(out);
  if (lua_toboolean(state, -1) != 0)
    luaL_error(state, "invalid replacement: a %s; a string, or nil or false to keep the match", luaL_typename(state, -1));
  lua_pop(state, 1);
  luaL_addlstring(out, captures[0].data(), captures[0].size());
}

int gsub(lua_State* state) {
  regex_at(state, 1);
  const std::string_view text = text_argument(state, 2);
  const int kind = lua_type(state, 3);
  if (kind == LUA_TNUMBER) lua_tolstring(state, 3, nullptr);
  const bool expanded = kind == LUA_TSTRING || kind == LUA_TNUMBER;
  luaL_argexpected(state, expanded || kind == LUA_TFUNCTION || kind == LUA_TTABLE || kind == LUA_TLIGHTUSERDATA, 3,
                   "string, function or table");
  const lua_Integer count_max = luaL_optinteger(state, 4, std::numeric_limits<lua_Integer>::max());
  lua_settop(state, 3);
  luaL_Buffer out;
  luaL_buffinit(state, &out);
  Search search(state, text, 0);
  lua_Integer count = 0;
  std::size_t copied = 0;
  for (; count < count_max; ++count) {
    const Regex& expression = regex_at(state, 1);
    if (!search.next(expression)) break;
    luaL_addlstring(&out, text.data() + copied, search.start - copied);
    copied = search.end();
    if (expanded) add_expanded(state, &out, expression, search.captures);
    else add_answer(state, &out, expression, search.captures);
  }
  luaL_addlstring(&out, text.data() + copied, text.size() - copied);
  luaL_pushresult(&out);
  lua_pushinteger(state, count);
  return 2;
}

int to_string(lua_State* state) {
  luaL_checkudata(state, 1, kClass);
  lua_getiuservalue(state, 1, 1);
  lua_pushfstring(state, "regex %s", lua_tostring(state, -1));
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"regex", "pattern: string, flags?: string", "Regex",
     "A regular expression of RE2's syntax, whose time is linear in the text whatever the pattern. Compiled once for each "
     "app: asking again is cheap, and `local re = app.regex(…)` at the top of app.lua is fine. Flags: i (case does not "
     "matter), m (^ and $ at every line), s (. matches line breaks), U (ungreedy). Write patterns in long brackets, "
     "[[\\d+]], so that Lua leaves the backslashes alone. An invalid pattern is an error with RE2's reason; at most 8 KiB "
     "and 50 "
     "groups. Each search costs instructions for the pattern's size times the text's.",
     "app.regex([[^p(r)o$]], 'i'):test('PRO')", "true", regex},
};

constexpr AppFunction kMethods[] = {
    {"Regex:test", "text: string", "boolean", "Whether it matches anywhere in the text.",
     "app.regex([[@example\\.com$]]):test(event.properties.email)", "true", test},
    {"Regex:match", "text: string, init?: integer", "table?",
     "The first match from the byte `init` on, or nil: [0] is all of it, [1] and so on are the groups, and named groups "
     "have "
     "their names too, (?P<name>…). A group that took no part is nil.",
     "app.regex([[(?P<user>\\w+)@(\\w+)]]):match(event.properties.email).user", "\"ann\"", match},
    {"Regex:find", "text: string, init?: integer", "integer?, integer?, ...",
     "Where the first match begins and ends, then its groups, as string.find gives them; or nil.",
     "{app.regex([[@(\\w+)]]):find(event.properties.email)}", R"([4,11,"example"])", find},
    {"Regex:gmatch", "text: string", "fun(): ...",
     "For a loop over all matches: the groups of each, or all of it when there are none.",
     "(function() local all = {} for word in app.regex([[\\w+]]):gmatch('a bc') do all[#all + 1] = word end return all "
     "end)()",
     R"(["a","bc"])", gmatch},
    {"Regex:gsub", "text: string, replacement: string|function|table, n?: integer", "string, integer",
     "The text with all matches replaced, or the first n, and how many: by a string in which %0 is the match, %1 to %9 are "
     "groups and %% is a percent sign; by what a function says that gets the groups, or the match when there are none; by "
     "the "
     "table's value for the first of these. nil or false keeps the match.",
     "{app.regex([[(\\w)\\w*@]]):gsub(event.properties.email, '%1***@')}", R"(["a***@example.com",1])", gsub},
};

}  // namespace

std::span<const AppFunction> regex_functions() { return kFunctions; }
std::span<const AppFunction> regex_methods() { return kMethods; }

void install_regex(lua_State* state, AppTable* owner) {
  lua_newtable(state);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kObjects);
  luaL_newmetatable(state, kClass);
  lua_newtable(state);
  for (const AppFunction& method : kMethods) {
    const std::string name(method.name.substr(method.name.find(':') + 1));
    lua_pushlightuserdata(state, owner);
    lua_pushcclosure(state, method.function, 1);
    lua_setfield(state, -2, name.c_str());
  }
  freeze_table(state);
  lua_setfield(state, -2, "__index");
  lua_pushcfunction(state, to_string);
  lua_setfield(state, -2, "__tostring");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 1);
}

}  // namespace penstock::scripting
