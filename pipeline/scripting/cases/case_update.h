#pragma once
// Rewrites `out:` of cases to what came out, as `penstock app test --update` does. Everything else in the file keeps its
// bytes: comments, order, style. An `out:` keeps its style as far as what came out can be written in it: one line in
// braces, a block of lines, or JSON after `|`. Comments inside an `out:` go with it.

#include <string>
#include <vector>

#include "pipeline/scripting/cases/case_file.h"
#include "pipeline/scripting/cases/case_run.h"

namespace penstock::scripting {

struct CaseUpdate {
  std::string name;
  config::Location at;
  std::string before, after;  // the texts of `out:`
  std::string refused;        // not empty: nothing was changed, and this is why
};

struct UpdatedCases {
  std::string text;                  // the whole file
  std::vector<CaseUpdate> updates;  // of every case that does not pass, in the order of the file
};

// `outcomes` are those of `file.cases`, one each. Every change is read back before it is kept: the case must now expect what
// came out, and no other may have changed.
UpdatedCases update_cases(const CaseFile& file, const std::vector<CaseOutcome>& outcomes);

}  // namespace penstock::scripting
