#pragma once
// Where events go. Three verbs; everything else (retry, back-off, batching, rate, metrics, threads) is pipeline/delivery's,
// the same for every destination. All pass tests/conformance/destination_conformance.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/event/facts.h"

namespace penstock {

// Events for one write. The views stay valid while the Batch (or what it was moved into) lives.
struct Batch {
  std::vector<EventView> events;
  std::size_t bytes = 0;                           // of the bodies
  std::vector<std::shared_ptr<const void>> keeps;  // the chunks and buffers the views point into; one count per chunk
};

// What became of a write.
struct Outcome {
  enum class Kind : std::uint8_t {
    delivered,
    retry,        // this event may succeed later; attempts and age count against it
    rejected,     // this event can never go; a batch of several is halved until the guilty one is alone
    unavailable,  // the destination's fault (network, 5xx, 401, full disk): nothing counts against the events
  };
  Kind kind = Kind::delivered;
  std::string code;                     // short and stable: "http_503", "timeout", "enospc"; empty when delivered
  std::string reason;                   // a sentence for people: "503 from crm.example: upstream down"
  std::optional<Duration> retry_after;  // what the peer asked for
  bool limited = false;                 // unavailable because of a rate limit: health shows `limited`
  bool lost = false;     // unavailable, whatever the event: nothing goes before connect() has succeeded again
  bool untried = false;                 // unavailable, but for another one's sake: this event was not sent at all

  static Outcome delivered() { return {}; }
};

// One for the whole batch, or one per event in the batch's order.
struct Outcomes {
  std::vector<Outcome> each;  // size 1 or the batch's size

  static Outcomes all(Outcome outcome) { return Outcomes{{std::move(outcome)}}; }
};

// Called exactly once, from any thread; only posts to the destination's strand.
using Completion = std::move_only_function<void(Outcomes)>;

class Destination {
 public:
  virtual ~Destination() = default;
  // Gets ready: opens the file, checks the address. May block (pool thread). Called again, with back-off, after failing
  // and after an Outcome::unavailable. Returns soon once `stop` is requested, with an error or without.
  virtual Result<void> connect(std::stop_token stop) = 0;
  // Never blocks, never throws. Up to `in_flight_max` batches may be submitted before earlier ones complete.
  virtual void submit(Batch batch, Completion done) = 0;
  // Finishes or fails what is in flight; every Completion was called when it returns. May block (pool thread). Harmless
  // when it is not connected.
  virtual void close() = 0;
  // What may keep writes from being answered, as far as it is known before they fail: "k1:9092: Connection refused". Shown
  // beside those that wait. Any thread; never blocks.
  virtual std::string trouble() const { return {}; }
};

}  // namespace penstock
