#pragma once
// Settings of librdkafka, by its own names: every one may stand in a component's `client:` map, but for those that the
// component decides itself. What there is, and what values it may have, librdkafka itself is asked for.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/config/read_value.h"
#include "pipeline/config/struct_reader.h"

namespace penstock::kafka {

enum class Role : std::uint8_t { producer, consumer };

// Names and values, in the order in which they are set: a later one wins.
using Settings = config::StringMap;

// What every component that speaks Kafka says of its field `brokers`, and how it names itself to them.
inline constexpr std::string_view kBrokersHelp = "Some brokers of the cluster as host:port; they name the others.";
// ... and of `client`.
inline constexpr std::string_view kClientHelp =
    "Any setting of librdkafka by its name, such as security.protocol or sasl.username. For sasl.mechanism: OAUTHBEARER "
    "tokens are "
    "fetched from sasl.oauthbearer.token.endpoint.url, for sasl.oauthbearer.client.id and .client.secret, with "
    "sasl.oauthbearer.scope and .extensions if wanted.";
// Notes under `brokers` what of them cannot be: none at all, or no host:port.
void check_brokers(config::StructReader& reader, const std::vector<std::string>& brokers);
Settings connection(const std::vector<std::string>& brokers);

// What nobody else may set, and why: "set `timeout` instead". What comes of connection() is nobody's anyway, and need not be among them.
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
