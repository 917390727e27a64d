#pragma once
// Mistakes that can be seen in an app's files without running it: `penstock app check`.
//
//   errors  a file that cannot be read or compiled; an app that cannot be loaded; a global that does not exist, read or written; a function that `app` or
//           a library does not have; a setting that app.yaml does not declare; settings and keys of cases that do not exist
//   hints   a setting that is declared and never used; a global that is defined while the app loads
// Only what is certain is an error: where the text does not tell what a name stands for, nothing is said.

#include <string>
#include <vector>

#include "pipeline/config/node.h"

namespace penstock::scripting {

struct Finding {
  config::Location at;
  bool hint = false;
  std::string message;

  std::string to_string() const;  // "apps/a/app.lua:12:7: there is no app.sha265, did you mean 'app.sha256'?"
};

// In the order of the files: app.yaml, the Lua files, cases.yaml.
std::vector<Finding> check_app(const std::string& folder);

}  // namespace penstock::scripting
