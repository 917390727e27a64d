#pragma once
// What the names in a Lua source mean: which are local variables and which are global, what is read through them
// (`app.time.parse`), and what local variables and parameters stand for, as far as the text alone tells. For sources that
// Lua has compiled; views are of the source.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace penstock::scripting {

struct LuaPlace {
  int line = 0;
  int column = 0;
};

// A name and constant fields after it: `app.settings.salt`, `app["settings"].salt`.
struct LuaChain {
  struct Field {
    std::string name;
    LuaPlace at;
  };
  int variable = -1;  // of LuaNames::variables; -1: a global
  std::string_view name;
  LuaPlace at;
  std::vector<Field> fields;
};

// A chain as far as it goes, and what happens with it there.
struct LuaUse {
  enum class How : std::uint8_t {
    read,     // its value goes somewhere: into an operator, a call, a table
    alias,    // it becomes the value of a local variable that is never assigned again
    write,    // it is assigned
    call,     // f(…)
    method,   // :f(…), the last field being f
    dynamic,  // it is indexed by something else than a constant
  };
  LuaChain chain;
  How how = How::read;
  bool in_function = false;  // false: it happens while the file is loaded
};

struct LuaVariable {
  std::string_view name;
  bool reassigned = false;
  std::optional<LuaChain> value;  // what it was made from, if that is a chain
  int function = -1;              // of which function it is a parameter,
  int position = -1;              // and which, from 0; or else
  int bound = -1;                 // the function that it was made from
};

struct LuaFunction {
  std::string name;  // the last one of `function M.transform`, `transform = function`
  std::vector<int> parameters;
};

struct LuaCall {
  LuaChain function;
  std::vector<std::optional<LuaChain>> arguments;
};

struct LuaNames {
  std::vector<LuaVariable> variables;
  std::vector<LuaFunction> functions;
  std::vector<LuaUse> uses;
  std::vector<LuaCall> calls;
};

// An error: the text is no Lua that this reader understands.
Result<LuaNames> lua_names(std::string_view source);

}  // namespace penstock::scripting
