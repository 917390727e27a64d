#pragma once
// Where the facts are in a body. The default reads the canonical SDK shape; a source's `map:` names other fields.

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"
#include "pipeline/event/json.h"

namespace penstock {

// Dotted paths into the body. Empty: the canonical field of that name.
struct FactPaths {
  std::string event;
  std::string distinct_id;
  std::string timestamp;
  std::string uuid;

  bool canonical() const { return event.empty() && distinct_id.empty() && timestamp.empty() && uuid.empty(); }
};

// Where a record stands in its source; the namespace of the uuid of an event that came without one.
struct RecordPlace {
  std::string_view source;     // its name in the YAML
  std::string_view partition;  // input partition: a number, a file's identity, a request id
  std::uint64_t offset = 0;    // in that partition
  std::uint32_t index = 0;     // in that record, when one record holds several events
};

// Reads the facts of validated bodies. Reused from event to event; not thread-safe.
class FactReader {
 public:
  FactReader(FactPaths paths, std::string project);

  // Canonical: `event`, `distinct_id` (top level, else properties.distinct_id), `timestamp`, `uuid`. Non-string distinct
  // ids keep their JSON text ("23"); a missing or unreadable timestamp is `received_at`; a missing or unreadable uuid is
  // v5 over `place`. Views in the result point into the index's text, the place, or this reader's buffers, and are valid
  // until the next call. An error: the event has no name (or, with a map, the mapped field is missing or not a string).
  Result<Facts> read(const json::ObjectIndex& body, const RecordPlace& place, Timestamp received_at);

  // Whether the last read found a uuid that the client had sent (only those can repeat).
  bool client_uuid() const { return client_uuid_; }

 private:
  FactPaths paths_;
  std::string project_;
  std::string event_, distinct_id_, scratch_;
  bool client_uuid_ = false;
};

// v5(source, partition, offset, index): the same record always gets the same id.
Uuid derived_uuid(const RecordPlace& place);
// v5(parent, app, index): the id of an event that an app made from another.
Uuid derived_uuid(const Uuid& parent, std::string_view app, std::uint32_t index);

}  // namespace penstock
