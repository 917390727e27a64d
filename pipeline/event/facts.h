#pragma once
// What Penstock knows about an event without parsing its body. See ARCHITECTURE.md, "an event: a body and a few facts".

#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/uuid.h"

namespace penstock {

// Views into memory that somebody else keeps: the chunk, the arena or the input block the event came in. A Facts value is
// cheap to copy and valid exactly as long as that memory.
struct Facts {
  Uuid uuid;
  std::string_view project;
  std::string_view event;
  std::string_view distinct_id;  // empty: none; the event is then partitioned by uuid
  std::string_view person_id;    // empty until people exist
  std::string_view source;       // the name of the source in the YAML
  Timestamp timestamp;           // when it happened, by the client
  Timestamp received_at;         // when we got it
};

// One event as everything downstream sees it: the body is the JSON object's bytes, untouched where no app assigned.
struct EventView {
  Facts facts;
  std::string_view body;
  bool replayed = false;  // it was sent before, and somebody wants it sent again
};

// The partition of an event among `count`: murmur2 of "<project>\0<distinct id>" as Java clients hash keys, so that the
// local log and Kafka agree; of the uuid's bytes when there is no distinct id.
int partition_of(const Facts& facts, int count);

}  // namespace penstock
