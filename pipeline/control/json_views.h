#pragma once
// What the control API answers, as JSON text. The CLI's `--json` prints exactly this.

#include <string>
#include <vector>

#include "pipeline/dead/dead_letter_table.h"
#include "pipeline/topology/backup.h"
#include "pipeline/topology/pipeline.h"
#include "pipeline/topology/status.h"

namespace penstock::control {

std::string to_json(const topology::PipelineStatus& status);
std::string to_json(const topology::ReloadReport& report);
std::string to_json(const topology::BackupReport& report);
std::string to_json(const config::Problems& problems);
// Without bodies, newest first as listed; `next` is the id to continue after, or null.
std::string to_json(const std::vector<dead::Listed>& letters, const dead::Page& page);
// With the original bytes: as text when they are valid UTF-8, else as base64 in `body_base64`.
std::string to_json(const std::string& id, const DeadLetter& letter);

}  // namespace penstock::control
