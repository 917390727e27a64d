#pragma once
// How an event is written with its facts beside its body: for destinations, and for people who look.

#include <string>

#include "pipeline/event/facts.h"

namespace penstock {

// Appends {"uuid":…,"project":…,"event":…,"distinct_id":…,"person_id":…,"timestamp":…,"received_at":…,"source":…,
// "data":<body>} on one line but for what the body has. Ids that an event does not have are left out; the body is copied
// as it stands.
void append_envelope(std::string& out, const EventView& event);

// Appends the body, or the envelope, as one line with its end. A body may have been sent with line breaks between its tokens (and
// nowhere else), where a space says the same.
void append_line(std::string& out, const EventView& event, bool enveloped);

}  // namespace penstock
