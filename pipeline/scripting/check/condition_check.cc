#include "pipeline/scripting/check/condition_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "pipeline/config/struct_reader.h"
#include "pipeline/scripting/check/known_names.h"
#include "pipeline/scripting/check/lua_names.h"

namespace penstock::scripting {
namespace {

constexpr std::array<std::string_view, 8> kFacts{"uuid",      "project",   "event",       "distinct_id",
                                                 "person_id", "timestamp", "received_at", "source"};

std::string suggestion(std::string_view wrong, const std::vector<std::string_view>& candidates, std::string_view before) {
  const std::string_view near = config::closest(wrong, candidates);
  return near.empty() ? "" : fmt::format(", did you mean '{}{}'?", before, near);
}

std::optional<std::string> unknown_fact(const LuaUse& use) {
  if (use.chain.fields.empty()) return std::nullopt;
  const std::string& fact = use.chain.fields.front().name;
  if (std::ranges::find(kFacts, fact) != kFacts.end()) return std::nullopt;
  return fmt::format("there is no fact '{}'{}", fact, suggestion(fact, {kFacts.begin(), kFacts.end()}, "facts."));
}

std::optional<std::string> unknown_global(const LuaUse& use, const KnownNames& known, ConditionOf whose) {
  const std::string name(use.chain.name);
  const bool app = name == "app";
  if (app ? whose == ConditionOf::app : known.globals.contains(name)) {
    const auto library = known.globals.find(name);
    if (app || library == known.globals.end() || library->second.empty() || use.chain.fields.empty()) return std::nullopt;
    const std::string& member = use.chain.fields.front().name;
    if (library->second.contains(member)) return std::nullopt;
    return fmt::format("there is no {}.{}{}", name, member,
                       suggestion(member, {library->second.begin(), library->second.end()}, name + "."));
  }
  if (app) return "there is no 'app' here: a destination's condition sees `event` and `facts` only";
  std::vector<std::string_view> candidates{"event", "facts"};
  for (const auto& [global, members] : known.globals) candidates.push_back(global);
  return fmt::format("there is no '{}'{}", name, suggestion(name, candidates, ""));
}

}  // namespace

std::optional<std::string> unknown_name_in(const std::string& expression, ConditionOf whose) {
  const std::string source = fmt::format("local event, facts = ... return ({}\n)", expression);  // the names are views of it
  const auto names = lua_names(source);
  const auto known = known_names();
  // What this reader cannot follow, Lua judges alone.
  if (!names || !known) return std::nullopt;
  for (const LuaUse& use : names->uses) {
    if (use.chain.variable < 0) {
      if (auto wrong = unknown_global(use, *known, whose)) return wrong;
    } else if (names->variables[static_cast<std::size_t>(use.chain.variable)].name == "facts") {
      if (auto wrong = unknown_fact(use)) return wrong;
    }
  }
  return std::nullopt;
}

}  // namespace penstock::scripting
