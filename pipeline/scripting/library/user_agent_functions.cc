// Browsers, systems and devices.

#include "pipeline/scripting/library/app_function.h"
#include "pipeline/scripting/library/user_agent.h"
#include "pipeline/scripting/view/lua_text.h"
#include "pipeline/scripting/vm/vm.h"

namespace penstock::scripting {
namespace {

void set_text(lua_State* state, const char* name, std::string_view text) {
  if (text.empty()) return;
  push_text(state, text);
  lua_setfield(state, -2, name);
}

int user_agent(lua_State* state) {
  const std::string_view text = text_argument(state, 1);
  Vm& vm = Vm::of(state);
  // Reading one takes some 35 µs on a busy machine, finding it in the cache less than one. What is charged must not depend
  // on what others have asked for before.
  vm.charge(state, 2000 + text.size());
  const bool first = !user_agents_ready();
  const auto agent = cached_user_agent(text);
  if (first) vm.restart_clock();  // compiling the rules is no fault of the script's
  lua_createtable(state, 0, 8);
  set_text(state, "browser", agent->browser);
  set_text(state, "browser_version", agent->browser_version);
  set_text(state, "os", agent->os);
  set_text(state, "os_version", agent->os_version);
  set_text(state, "device", agent->device);
  set_text(state, "brand", agent->brand);
  set_text(state, "model", agent->model);
  set_text(state, "device_type", agent->device_type);
  return 1;
}

constexpr AppFunction kFunctions[] = {
    {"user_agent", "text: string",
     "{browser: string?, browser_version: string?, os: string?, os_version: string?, device: string?, brand: string?, "
     "model: "
     "string?, device_type: (\"desktop\"|\"mobile\"|\"tablet\"|\"tv\"|\"console\"|\"wearable\"|\"bot\")?}",
     "What a user agent says of its sender; fields that it does not tell are nil. By the rules of uap-core 0.16.0, of "
     "August "
     "2022 (Apache-2.0): browsers and devices that came later are named by what they resemble. Crawlers have the device "
     "'Spider'. device_type is best effort. At most 1024 bytes are looked at. Answers are kept: user agents come again.",
     "app.user_agent('Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/16.5 Mobile/15E148 Safari/604.1')",
     R"({"brand":"Apple","browser":"Mobile Safari","browser_version":"16.5","device":"iPhone","device_type":"mobile",)"
     R"("model":"iPhone","os":"iOS","os_version":"16.5"})",
     user_agent},
};

}  // namespace

std::span<const AppFunction> user_agent_functions() { return kFunctions; }

}  // namespace penstock::scripting
