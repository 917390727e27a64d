#pragma once
// What a configuration may ask of the machine: environment variables and files. Injected, so that tests need neither.

#include <functional>
#include <optional>
#include <string>

#include "pipeline/base/bytes.h"
#include "pipeline/base/result.h"

namespace penstock::config {

struct Lookup {
  std::function<std::optional<std::string>(const std::string& name)> env;
  // The whole file; an error of kind limit when it is larger than `bytes_max`. The message does not repeat the path.
  std::function<Result<std::string>(const std::string& path, Bytes bytes_max)> read_file;
};

// The environment of this process, and the disk. Reading the environment races with setenv, which we never call.
Lookup process_lookup();

}  // namespace penstock::config
