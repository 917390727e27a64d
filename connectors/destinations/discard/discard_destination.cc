#include "connectors/destinations/discard/discard_destination.h"

namespace penstock::destinations::discard {
void register_in(Registry& registry) { registry.destinations.add<DiscardDestination>("discard"); }
}  // namespace penstock::destinations::discard
