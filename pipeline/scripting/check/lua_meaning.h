#pragma once
// Which chains of a source lead into the `app` table, through parameters, local names and calls.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/scripting/check/lua_names.h"

namespace penstock::scripting {

class AppMeaning {
 public:
  // `main`: the source is app.lua, whose `transform` gets the table as its second parameter. `names` must outlive this.
  AppMeaning(const LuaNames& names, bool main) : names_(names), main_(main) {}

  // A field on the way into the table. One without a place stands somewhere else: where the chain's variable got its value.
  using Path = std::vector<LuaChain::Field>;

  // The fields below `app`, or nothing when the chain does not start there as far as the text tells.
  std::optional<Path> path(const LuaChain& chain);

 private:
  std::optional<Path> of_variable(int index);
  std::optional<Path> of_parameter(const LuaVariable& parameter);
  const LuaFunction& function(int index) const { return names_.functions[static_cast<std::size_t>(index)]; }
  const LuaVariable& variable(int index) const { return names_.variables[static_cast<std::size_t>(index)]; }
  bool calls(const LuaCall& call, int wanted) const;

  const LuaNames& names_;
  bool main_;
  std::map<int, std::optional<Path>> known_;  // of variables; nothing while one is being found out
};

}  // namespace penstock::scripting
