#pragma once
// Settings of librdkafka, by its own names: every one may stand in a component's `client:` map, but for those that the
// component decides itself. What there is, and what values it may have, librdkafka itself is asked for.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/config/read_value.h"
#include "pipeline/config/struct_reader.h"

namespace penstock::kafka {

enum class Role : std::uint8_t { producer, consumer };

// Names and values, in the order in which they are set: a later one wins.
using Settings = config::StringMap;

// What nobody else may set, and why: "set `brokers` instead".
struct Owned {
  std::string_view name;
  std::string_view why;
};

// Whether a client of that role takes a setting of that name. False as well when there is none.
bool is_for(std::string_view name, Role role);

// Notes each entry of the map `field` that librdkafka does not know (with the nearest it knows), that is of the other role,
// owned, or refused by librdkafka. When all are right by themselves, a client that connects to nobody is made from `ours` and
// them, which finds what does not fit together, and certificates that cannot be read. A value that came from the environment or
// a file is never part of a message.
void check_client(config::StructReader& reader, std::string_view field, const Settings& client, Role role,
                  const Settings& ours, std::span<const Owned> owned);

}  // namespace penstock::kafka
