#pragma once
// How an event is written with its facts beside its body: for destinations with `body: envelope`, and for people who look.

#include <cstddef>
#include <string>

#include "pipeline/event/facts.h"

namespace penstock {

// Appends {"uuid":…,"project":…,"event":…,"distinct_id":…,"person_id":…,"timestamp":…,"received_at":…,"source":…,
// "data":<body>} on one line but for what the body has. Ids that an event does not have are left out; the body is copied
// as it stands.
void append_envelope(std::string& out, const EventView& event);

// Makes one line of what was appended since `out` had the size `start`. A body may have been sent with line breaks between its
// tokens (JSON has them nowhere else), where a space says the same.
void end_line(std::string& out, std::size_t start);

}  // namespace penstock
