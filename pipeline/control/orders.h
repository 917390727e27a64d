#pragma once
// The bodies that people's orders come in, as JSON. An error (invalid) says which member is wrong. An empty body is {}.

#include <optional>
#include <string>

#include "pipeline/delivery/settings.h"
#include "pipeline/topology/steering.h"

namespace penstock::control {

Result<topology::DeadLetterChoice> read_choice(const std::string& body);  // {"ids": […], "stage": …, "code": …}
Result<std::string> read_note(const std::string& body);                   // {"note": …}
// {"events": n, "bytes": n}; nullopt: neither is there.
Result<std::optional<delivery::RateSettings>> read_rate(const std::string& body);
Result<std::string> read_folder(const std::string& body);                 // {"folder": …}, which must be there
// {"from": …, "to": …, "where": …, "rate": n}
Result<topology::ReplayRequest> read_replay(const std::string& body);

}  // namespace penstock::control
