#pragma once
// An app's cases.yaml: settings and events in, what must come out. `penstock app test` and the tests of every app in the tree.
//
//   - name: a listed event is dropped
//     with: { names: [heartbeat] }          # the app's settings
//     in: { event: heartbeat }              # an event; JSON text keeps numbers and escapes exactly; or a list of events
//     out: drop                             # or an event, a list of events, `error: part of the reason`
//     facts: { event: a, distinct_id: b }   # for a body of another shape, as with a source's `map:`
//
// Each event goes through a chain of this one app; `out` is all that comes out of all of them. Time stands still:
// app.now() is 2026-01-01T00:00:00Z.

#include <iosfwd>
#include <string>

#include "pipeline/base/result.h"

namespace penstock::scripting {

struct CaseCounts {
  int passed = 0;
  int failed = 0;
};

// Runs all cases of the app in `folder` and writes a line or more for each that fails to `report`. An error: the files cannot
// be read, or the app does not load.
Result<CaseCounts> run_cases(const std::string& folder, std::ostream& report);

}  // namespace penstock::scripting
