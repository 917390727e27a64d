#pragma once
// data/control.json: where the control API of the process that runs this data folder listens, and its token. Mode 0600, so
// whoever may read the data may also control the process, and nobody else.

#include <string>

#include "pipeline/base/result.h"

namespace penstock::control {

struct ControlAddress {
  std::string url;    // "http://127.0.0.1:41234"
  std::string token;  // bearer
};

std::string control_file_path(const std::string& data);

Result<void> write_control_file(const std::string& data, const ControlAddress& address);
// not_found: nothing runs on this folder, or never did.
Result<ControlAddress> read_control_file(const std::string& data);
void remove_control_file(const std::string& data);

// 32 random hexadecimal digits.
std::string random_token();

}  // namespace penstock::control
