#pragma once
// Settings of an app from the command line.

#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/config/node.h"

namespace penstock::cli {

// "key=value" each, the value as in YAML: fields=[properties.email] lower=true salt="x". Null when there are none. An error of
// kind invalid: one is written wrongly, or is none that the app in `folder` takes, or one that it needs is missing.
Result<config::Node> settings_from(const std::vector<std::string>& given, const std::string& folder);

}  // namespace penstock::cli
