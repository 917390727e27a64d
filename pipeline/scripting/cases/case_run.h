#pragma once
// One case of an app: its events through a chain of this one app, and how what came out differs from what must.

#include <string>
#include <vector>

#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/cases/json_diff.h"

namespace penstock::scripting {

class Coverage;

struct CaseOutcome {
  std::string name;
  config::Location at;

  // What came out of all its events; of the first failure why, and where in the app, a frame a line.
  std::vector<std::string> events;
  std::string failure;
  std::string traceback;

  bool ran = false;  // false: the case could not be run, `reason` says why
  std::string not_loaded;  // of these: what is wrong with the app itself, whatever the case
  bool out_differs = false;  // `out:` is not what came out
  std::string reason;  // a sentence; empty when everything is as expected, or only fields differ
  struct EventDifferences {
    std::size_t place = 0;  // from 1; 0 when there is only one event
    std::string expected, got;
    std::vector<Difference> fields;
  };
  std::vector<EventDifferences> different;

  bool passed() const { return reason.empty() && different.empty(); }
  // "drop", "error: …" or the events: what `out:` would have to say.
  std::string got() const;
  // What is wrong, as lines of text without colour.
  std::vector<std::string> lines() const;
};

// Runs one case of the app in `folder`. `coverage`, when given, hears of every line of Lua.
CaseOutcome run_case(const std::string& folder, const AppCase& one, Coverage* coverage);

}  // namespace penstock::scripting
