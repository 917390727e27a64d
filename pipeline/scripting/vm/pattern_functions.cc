// string.find, match, gmatch and gsub: Lua's own pattern matcher works inside one C call, where no limit is looked at.

#include <algorithm>
#include <lua.hpp>
#include <string_view>

#include "pipeline/scripting/vm/library.h"
#include "pipeline/scripting/vm/pattern.h"
#include "pipeline/scripting/vm/pattern_cache.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

constexpr std::uint64_t kCallSteps = 5;
constexpr std::uint64_t kReplacedSteps = 2;  // beside what is added
constexpr std::uint64_t kDirectiveSteps = 1;
constexpr std::uint64_t kCaptureSteps = 4;   // of a directive that names one
constexpr std::uint64_t kPlaceSteps = 10;    // a number is made for it, and its digits
constexpr std::uint64_t kBytesPerStep = 16;
constexpr std::uint64_t kStepsPerCompiledByte = 2;
constexpr std::uint64_t kBytesPerStepOfText = 2;  // see pattern_match.cc

class Charged final : public PatternSteps {
 public:
  explicit Charged(lua_State* state) : state_(state) {}
  void spend(std::uint64_t steps) override { Vm::of(state_).charge(state_, steps); }

 private:
  lua_State* state_;
};

// One pattern on one subject, for one call of a script.
struct Matching {
  Matching(lua_State* running, std::string_view subject, std::string_view text, bool anchors)
      : state(running), steps(running), pattern(Vm::of(running).patterns(), paid(steps, text), anchors),
        match(*pattern, subject, steps), fixed(kCallSteps) {}

  // Before it is compiled, which a long one is for each use.
  static std::string_view paid(Charged& steps, std::string_view text) {
    steps.spend(text.size() > PatternCache::kTextMax ? text.size() * kStepsPerCompiledByte : text.size() / kBytesPerStep);
    return text;
  }

  bool search(std::size_t from) {
    const auto found = match.search(from);
    if (found == PatternMatch::Found::problem) luaL_error(state, "%s", match.problem());
    return found == PatternMatch::Found::yes;
  }

  // What is left to pay when the call is over.
  void settle() { steps.spend(fixed + match.steps()); }

  lua_State* state;
  Charged steps;
  PatternCache::Use pattern;
  PatternMatch match;
  std::uint64_t fixed;
};

std::string_view check_text(lua_State* state, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(state, index, &size);
  return {text, size};
}

void push_text(lua_State* state, std::string_view text) { lua_pushlstring(state, text.data(), text.size()); }

// Where to begin, from 0; beyond the end if the script says so.
std::size_t initial(lua_State* state, int index, std::size_t size) {
  const lua_Integer init = luaL_optinteger(state, index, 1);
  if (init > 0) return static_cast<std::size_t>(init) - 1;
  if (init == 0 || init < -static_cast<lua_Integer>(size)) return 0;
  return size - static_cast<std::size_t>(-init);
}

// Capture 0 of a pattern without captures is the whole match.
void push_capture(const Matching& m, std::size_t capture) {
  const std::size_t count = m.pattern->captures();
  if (capture >= count) {
    if (capture != 0) luaL_error(m.state, "invalid capture index %%%d", static_cast<int>(capture) + 1);
    return push_text(m.state, m.match.whole());
  }
  if (!m.pattern->closed(capture)) luaL_error(m.state, "unfinished capture");
  if (m.match.is_place(capture)) lua_pushinteger(m.state, static_cast<lua_Integer>(m.match.place(capture)));
  else push_text(m.state, m.match.text(capture));
}

int push_captures(const Matching& m, std::size_t at_least) {
  const std::size_t count = std::max(m.pattern->captures(), at_least);
  luaL_checkstack(m.state, static_cast<int>(count), "too many captures");
  for (std::size_t i = 0; i < count; ++i) push_capture(m, i);
  return static_cast<int>(count);
}

int push_range(lua_State* state, std::size_t start, std::size_t end) {
  lua_pushinteger(state, static_cast<lua_Integer>(start) + 1);
  lua_pushinteger(state, static_cast<lua_Integer>(end));
  return 2;
}

int find_text(lua_State* state, std::string_view subject, std::string_view text, std::size_t from) {
  const std::size_t found = find_plain(subject, text, from);
  const bool there = found != std::string_view::npos;
  const std::size_t touched = (there ? found : subject.size()) - from + text.size();
  Vm::of(state).charge(state, kCallSteps + touched / (text.size() > 1 ? kBytesPerStepOfText : kBytesPerStep));
  if (there) return push_range(state, found, found + text.size());
  lua_pushnil(state);
  return 1;
}

int find(lua_State* state) {
  const std::string_view subject = check_text(state, 1);
  const std::string_view text = check_text(state, 2);
  const std::size_t from = initial(state, 3, subject.size());
  if (from > subject.size()) return lua_pushnil(state), 1;
  if (lua_toboolean(state, 4) != 0) return find_text(state, subject, text, from);
  Matching m(state, subject, text, true);
  if (m.pattern->plain()) return find_text(state, subject, text, from);
  const bool found = m.search(from);
  m.settle();
  if (!found) return lua_pushnil(state), 1;
  return push_range(state, m.match.start(), m.match.end()) + push_captures(m, 0);
}

int match(lua_State* state) {
  const std::string_view subject = check_text(state, 1);
  const std::string_view text = check_text(state, 2);
  const std::size_t from = initial(state, 3, subject.size());
  if (from > subject.size()) return lua_pushnil(state), 1;
  Matching m(state, subject, text, true);
  const bool found = m.search(from);
  m.settle();
  if (!found) return lua_pushnil(state), 1;
  return push_captures(m, 1);
}

// An empty match where the last one ended is not another match.
bool search_on(Matching& m, std::size_t from, std::size_t size, lua_Integer last_end) {
  if (from > size || !m.search(from)) return false;
  if (static_cast<lua_Integer>(m.match.end()) != last_end) return true;
  return from < size && m.search(from + 1);
}

// Upvalues: subject, pattern, where to go on, where the last match ended.
int gmatch_next(lua_State* state) {
  const std::string_view subject = check_text(state, lua_upvalueindex(1));
  const std::string_view text = check_text(state, lua_upvalueindex(2));
  const auto from = static_cast<std::size_t>(lua_tointeger(state, lua_upvalueindex(3)));
  Matching m(state, subject, text, false);
  const bool found = search_on(m, from, subject.size(), lua_tointeger(state, lua_upvalueindex(4)));
  m.settle();
  lua_pushinteger(state, static_cast<lua_Integer>(found ? m.match.end() : subject.size() + 1));
  lua_copy(state, -1, lua_upvalueindex(3));
  lua_replace(state, lua_upvalueindex(4));
  return found ? push_captures(m, 1) : 0;
}

int gmatch(lua_State* state) {
  const std::size_t size = check_text(state, 1).size();
  check_text(state, 2);
  const std::size_t from = std::min(initial(state, 3, size), size + 1);
  lua_settop(state, 2);
  lua_pushinteger(state, static_cast<lua_Integer>(from));
  lua_pushinteger(state, -1);
  lua_pushcclosure(state, gmatch_next, 4);
  return 1;
}

enum class Replacement : std::uint8_t { text, table, function };

Replacement check_replacement(lua_State* state) {
  switch (lua_type(state, 3)) {
    case LUA_TNUMBER:
    case LUA_TSTRING: return Replacement::text;
    case LUA_TTABLE: return Replacement::table;
    case LUA_TFUNCTION: return Replacement::function;
    case LUA_TLIGHTUSERDATA:  // an object of an event; the null one is JSON null
      if (lua_touserdata(state, 3) != nullptr && luaL_getmetafield(state, 3, "__index") != LUA_TNIL) {
        lua_pop(state, 1);
        return Replacement::table;
      }
      break;
    default: break;
  }
  luaL_typeerror(state, 3, "string/function/table");
  return Replacement::text;
}

class Substitution {
 public:
  Substitution(Matching& matching, std::string_view subject, Replacement kind)
      : m_(matching), subject_(subject), kind_(kind) {
    if (kind == Replacement::text) text_ = check_text(m_.state, 3);
    luaL_buffinit(m_.state, &out_);
  }
  Substitution(const Substitution&) = delete;
  Substitution& operator=(const Substitution&) = delete;

  // Leaves the result on the stack; returns how many matches there were.
  lua_Integer run(lua_Integer most) {
    lua_Integer count = 0;
    lua_Integer last_end = -1;
    std::size_t from = 0;
    while (count < most && search_on(m_, from, subject_.size(), last_end)) {
      ++count;
      m_.fixed += kReplacedSteps;
      add(subject_.substr(from, m_.match.start() - from));
      replace();
      from = m_.match.end();
      last_end = static_cast<lua_Integer>(from);
      if (m_.pattern->anchored()) break;
    }
    m_.settle();
    if (!changed_) return lua_pushvalue(m_.state, 1), count;
    add(subject_.substr(from));
    luaL_pushresult(&out_);
    return count;
  }

 private:
  void add(std::string_view text) {
    if (text.size() >= kBytesPerStep) m_.steps.spend(text.size() / kBytesPerStep);
    luaL_addlstring(&out_, text.data(), text.size());
  }

  void replace() {
    lua_State* state = m_.state;
    if (kind_ == Replacement::text) return replace_by_text();
    if (kind_ == Replacement::table) {
      push_capture(m_, 0);
      lua_gettable(state, 3);
    } else {
      lua_pushvalue(state, 3);
      const int arguments = push_captures(m_, 1);
      lua_call(state, arguments, 1);
    }
    if (lua_toboolean(state, -1) == 0) {
      lua_pop(state, 1);
      return add(m_.match.whole());
    }
    if (lua_isstring(state, -1) == 0) luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
    luaL_addvalue(&out_);
    changed_ = true;
  }

  void replace_by_text() {
    changed_ = true;
    std::string_view rest = text_;
    for (;;) {
      const std::size_t escape = rest.find('%');
      add(rest.substr(0, escape));
      if (escape == std::string_view::npos) return;
      const char what = escape + 1 < rest.size() ? rest[escape + 1] : '\0';
      add_escaped(what);
      rest.remove_prefix(escape + 2);
    }
  }

  void add_escaped(char what) {
    m_.steps.spend(kDirectiveSteps);
    if (what == '%') return add("%");
    if (what == '0') return add(m_.match.whole());
    if (what < '1' || what > '9') luaL_error(m_.state, "invalid use of '%%' in replacement string");
    const auto capture = static_cast<std::size_t>(what - '1');
    if (capture > 0 && capture >= m_.pattern->captures())
      luaL_error(m_.state, "invalid capture index %%%d in replacement string", static_cast<int>(capture) + 1);
    const bool place = capture < m_.pattern->captures() && m_.match.is_place(capture);
    m_.steps.spend(place ? kPlaceSteps : kCaptureSteps);
    push_capture(m_, capture);
    luaL_addvalue(&out_);
  }

  Matching& m_;
  std::string_view subject_;
  Replacement kind_;
  std::string_view text_;
  bool changed_ = false;
  luaL_Buffer out_;
};

int gsub(lua_State* state) {
  const std::string_view subject = check_text(state, 1);
  const std::string_view text = check_text(state, 2);
  const Replacement kind = check_replacement(state);
  const lua_Integer most = luaL_optinteger(state, 4, static_cast<lua_Integer>(subject.size()) + 1);
  Matching m(state, subject, text, true);
  const lua_Integer count = Substitution(m, subject, kind).run(most);
  lua_pushinteger(state, count);
  return 2;
}

}  // namespace

void add_patterns(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {
      {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {nullptr, nullptr}};
  luaL_setfuncs(state, kFunctions, 0);
}

}  // namespace penstock::scripting
