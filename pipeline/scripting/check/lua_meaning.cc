#include "pipeline/scripting/check/lua_meaning.h"

#include <algorithm>

namespace penstock::scripting {
namespace {

bool same(const AppMeaning::Path& a, const AppMeaning::Path& b) {
  return std::ranges::equal(a, b, {}, &LuaChain::Field::name, &LuaChain::Field::name);
}

}  // namespace

std::optional<AppMeaning::Path> AppMeaning::path(const LuaChain& chain) {
  if (chain.variable < 0) {
    if (chain.name != "app") return std::nullopt;
    return chain.fields;
  }
  auto path = of_variable(chain.variable);
  if (!path) return std::nullopt;
  for (LuaChain::Field& field : *path) field.at = {};
  path->insert(path->end(), chain.fields.begin(), chain.fields.end());
  return path;
}

std::optional<AppMeaning::Path> AppMeaning::of_variable(int index) {
  if (const auto known = known_.find(index); known != known_.end()) return known->second;
  known_[index] = std::nullopt;
  const LuaVariable& root = variable(index);
  std::optional<Path> found;
  if (root.reassigned) return found;
  if (root.function >= 0) found = of_parameter(root);
  else if (root.value) found = path(*root.value);
  known_[index] = found;
  return found;
}

// `app` itself, or what every call of the function gives.
std::optional<AppMeaning::Path> AppMeaning::of_parameter(const LuaVariable& parameter) {
  if (main_ && function(parameter.function).name == "transform" && parameter.position == 1) return Path{};
  std::optional<Path> common;
  for (const LuaCall& call : names_.calls) {
    if (!calls(call, parameter.function)) continue;
    const auto at = static_cast<std::size_t>(parameter.position);
    if (at >= call.arguments.size() || !call.arguments[at]) return std::nullopt;
    auto given = path(*call.arguments[at]);
    if (!given || (common && !same(*common, *given))) return std::nullopt;
    common = std::move(given);
  }
  return common;
}

bool AppMeaning::calls(const LuaCall& call, int wanted) const {
  if (call.function.variable < 0 || !call.function.fields.empty()) return false;
  const LuaVariable& called = variable(call.function.variable);
  return !called.reassigned && called.bound == wanted;
}

}  // namespace penstock::scripting
