// penstock app test: the cases of Lua apps.
#include <fmt/format.h>

#include <cstdio>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/exit_code.h"

namespace penstock::cli {

int test_apps(const std::vector<std::string>& names, const topology::PlanContext& context) {
  static_cast<void>(names);
  static_cast<void>(context);
  return kCannot;
}

}  // namespace penstock::cli
