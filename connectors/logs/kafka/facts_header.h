#pragma once
// The facts of an event as the header `facts` of its message: a version byte, the uuid (16 bytes), event, project and source (each
// its length, then the text), when it was received (signed varint, ms), how far its timestamp is from that, the person id. In version
// 1 the distinct id is the message's key; in version 2 the key is another, and the distinct id stands before the person id, as a
// text. Pure functions; any thread.

#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"

namespace penstock::logs::kafka {

inline constexpr std::string_view kFactsHeader = "facts";

// `key` is the message's.
void encode_facts(const Facts& facts, std::string_view key, std::string& out);
// The views point into what is given. corrupt: it is no such header; conflict: one of a newer version.
Result<Facts> decode_facts(std::string_view header, std::string_view key);

}  // namespace penstock::logs::kafka
