#pragma once
// An app's cases.yaml: settings and events in, what must come out. `penstock app test` and the tests of every app in the tree.
//
//   - name: a listed event is dropped
//     with: { names: [heartbeat] }          # the app's settings
//     in: { event: heartbeat }              # an event; JSON text keeps numbers and escapes exactly; or a list of events
//     out: drop                             # or an event, a list of events, `error: part of the reason`
//     facts: { event: a, distinct_id: b }   # for a body of another shape, as with a source's `map:`
//     now: 2026-03-01T12:00:00Z             # what app.now() says
//     log: [dropped]                        # parts of lines that must be logged, in this order; []: nothing is
//
// The events of one case go one after another through one chain of this one app with a state of its own: what the app keeps
// between them, in app.state too, is there; the next case begins anew. `out` is all that comes out of all of them. Time stands still: without `now:` it is
// 2026-01-01T00:00:00Z. Numbers are compared as they are written, texts by meaning, the order of keys does not matter.

#include <iosfwd>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/cases/case_run.h"

namespace penstock::scripting {

struct CaseCounts {
  int passed = 0;
  int failed = 0;
};

// Runs all cases of the app in `folder` and writes a line or more for each that fails to `report`. An error: the files cannot
// be read, or the app does not load.
Result<CaseCounts> run_cases(const std::string& folder, std::ostream& report);

}  // namespace penstock::scripting
