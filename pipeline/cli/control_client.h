#pragma once
// Asks the control API of a running process and waits for the answer.

#include <memory>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/cli/commands.h"
#include "pipeline/control/control_file.h"

namespace penstock::cli {

class ControlClient {
 public:
  // not_found or unavailable: nothing answers there, and the message says what to do.
  static Result<ControlClient> find(const Target& target, const topology::PlanContext& context);
  explicit ControlClient(control::ControlAddress address) : address_(std::move(address)) {}

  // The body of a 2xx answer. Otherwise the error the API gave; `problems` of an invalid configuration are in its message.
  Result<std::string> get(const std::string& path) const { return ask("GET", path, {}, Duration(30'000)); }
  // A reload waits for destinations to drain, which may take as long as their `drain` says.
  Result<std::string> post(const std::string& path, std::string body = {}, Duration patience = Duration(900'000)) const {
    return ask("POST", path, std::move(body), patience);
  }

 private:
  Result<std::string> ask(const std::string& method, const std::string& path, std::string body, Duration patience) const;
  control::ControlAddress address_;
};

// The data folder that a target names, by itself or in its file.
Result<std::string> data_folder(const Target& target, const topology::PlanContext& context);

// Query-string form of a text.
std::string percent_encode(std::string_view text);

}  // namespace penstock::cli
