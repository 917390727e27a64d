#include "connectors/destinations/null/null_destination.h"

namespace penstock::destinations::null {
void register_in(Registry& registry) { registry.destinations.add<NullDestination>("null"); }
}  // namespace penstock::destinations::null
