#pragma once
// What fails while others are delivered is set aside: it waits by itself, and everything else goes on for as long as it takes.
// So it must not keep the chunks that it was read from, of which it may be one event in a thousand. Pure functions.

#include <cstddef>

#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

// What the shipment takes in memory, without what else is in the chunks of its parcels.
std::size_t bytes_of(const Shipment& shipment);

// Gives the shipment a copy of its own of what its views point into, and marks it. One that is set aside already is copied again
// when it has become clearly less than what its copy holds. Parts of what apps made of one event, when they are set aside in several
// shipments, are counted as dead letters one by one; it is one letter all the same.
void set_aside(Shipment& shipment);

}  // namespace penstock::delivery
