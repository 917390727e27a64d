#pragma once
// What a part of the configuration says, for the log and for finding what changed at a reload.

#include <cstdint>
#include <string>

#include "pipeline/config/node.h"

namespace penstock::config {

// One line, keys sorted: `{batch: {events: 500}, name: crm, url: ***}`. Secrets are `***`.
std::string dump(const Node& node);

// Equal for equal meaning: order of keys, places and comments do not count, secrets do. Stable within one version of the
// program; compare, do not store.
std::uint64_t fingerprint(const Node& node);

// The same for what a script sees: there the order of keys is a part of the meaning, for it walks over them in that order.
std::uint64_t fingerprint_in_order(const Node& node);

}  // namespace penstock::config
