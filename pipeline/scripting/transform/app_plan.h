#pragma once
// One entry of a chain, read and checked: everything needed to make its Lua state, as often as needed. Immutable.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "pipeline/config/node.h"
#include "pipeline/event/event_filter.h"
#include "pipeline/scripting/package/app_source.h"
#include "pipeline/scripting/package/manifest.h"
#include "pipeline/scripting/transform/suspension.h"
#include "pipeline/scripting/vm/limits.h"

namespace penstock::scripting {

// What becomes of an event on which an app fails.
enum class OnError : std::uint8_t {
  dead_letter,  // it goes to the dead letters, as it came in
  drop,         // it goes no further, counted
  pass,         // it goes on as it was before this app
};

struct AppPlan {
  std::string name;  // in metrics, logs and dead letters
  std::string folder;
  AppSource source;
  Manifest manifest;
  config::Node settings;
  EventFilter filter;
  std::string when;  // empty: no condition
  OnError on_error = OnError::dead_letter;
  SuspensionSettings suspend;
  Limits limits;
  std::uint64_t checksum = 0;  // of all that decides what it does
  std::function<void(std::string_view file, int line)> on_line;  // for tools: hears of each line of Lua, see Vm::on_line
};

}  // namespace penstock::scripting
