#include "pipeline/scripting/check/known_names.h"

#include <string_view>
#include <vector>

#include "pipeline/event/json.h"
#include "pipeline/scripting/transform/chain.h"

namespace penstock::scripting {
namespace {

// Gives the names of all globals, with those of the members of tables.
constexpr std::string_view kLister = R"(
return { transform = function(event, app)
  for name, value in pairs(_G) do
    local members = app.array {}
    if type(value) == "table" and name ~= "_G" and name ~= "app" then
      for member in pairs(value) do members[#members + 1] = member end
    end
    event[name] = members
  end
  return event
end }
)";

std::shared_ptr<const ChainPlan> lister() {
  auto plan = std::make_shared<ChainPlan>();
  AppPlan& app = plan->apps.emplace_back();
  app.name = "names";
  app.source.files.push_back({"app", "app.lua", std::string(kLister)});
  return plan;
}

}  // namespace

bool KnownNames::app_has_group(const std::string& name) const {
  const auto first = app.lower_bound(name + ".");
  return first != app.end() && first->starts_with(name + ".");
}

Result<KnownNames> known_names() {
  KnownNames known;
  for (const AppFunction& function : app_functions())
    if (!function.name.contains(':')) known.app.emplace(function.name);
  known.app.insert({"settings", "null"});
  TRY_ASSIGN(const auto chain, Chain::make(lister()));
  json::Validator validator;
  json::ObjectIndex empty;
  TRY(validator.validate("{}", empty));
  Transformed out;
  chain->begin_batch(Timestamp{});
  chain->run(empty, Facts{}, false, out);
  if (out.kind != Transformed::Kind::kept || out.events.size() != 1)
    return fail(ErrorKind::invalid, "the names of the sandbox cannot be listed: " + out.reason);
  json::ObjectIndex globals;
  TRY(json::index_object(out.events.front().body, globals));
  for (const json::Member& member : globals.members()) {
    std::vector<std::string_view> members;
    TRY(json::index_array(member.value, members));
    auto& names = known.globals[std::string(member.key)];
    for (const std::string_view name : members) names.emplace(name.substr(1, name.size() - 2));
  }
  return known;
}

}  // namespace penstock::scripting
