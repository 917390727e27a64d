#pragma once
// An event that could not go on, with everything needed to understand it and to send it again.

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/codec.h"
#include "pipeline/base/result.h"
#include "pipeline/base/uuid.h"

namespace penstock {

struct DeadLetter {
  Uuid uuid;               // of the event; derived from its place when the body had none
  std::string stage;       // "ingest", or the destination's name
  std::string app;         // the app that failed; empty when it was not an app
  std::string code;        // short and stable: "invalid_json", "app_error", "http_400"
  std::string reason;      // a sentence: what, where, why
  std::string source;      // the source's name
  std::string place;       // where in the source: "orders.ndjson at byte 1234"
  std::string event;       // the fact, empty when unknown
  std::string distinct_id; // the fact, empty when unknown
  std::string project;     // the fact, empty when unknown
  Timestamp timestamp;     // the fact; 0 when unknown
  std::int32_t partition = 0;  // of `events`
  std::uint64_t offset = 0;    // there; 0 for a letter of ingest, and of a version that did not store it
  std::uint32_t attempts = 0;
  Timestamp received_at;
  Timestamp first_at;      // first failure
  Timestamp last_at;       // last failure
  std::string body;        // the original bytes

  friend bool operator==(const DeadLetter&, const DeadLetter&) = default;
};

// Stored form, with a version byte first.
void encode(const DeadLetter& letter, std::string& out);
Result<DeadLetter> decode_dead_letter(std::string_view stored);

// The key under which a store keeps it: time of receipt, uuid, then where it died (the place in its source or log, or without
// one the app); so that a listing is in order of time, and an event that dies again in the same place (after a crash, or when it
// was replayed, perhaps of another cause) is the same letter. Printable as
// "<ms>-<uuid>-<where>": what `penstock dead show` takes.
std::string dead_letter_id(const DeadLetter& letter);

}  // namespace penstock
