#pragma once
// What follows from the answer to a write: a pure function, so that every rule of DESIGN's delivery section is a line in a
// table of tests.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/delivery/settings.h"
#include "pipeline/delivery/shipment.h"

namespace penstock::delivery {

struct Verdict {
  struct Dead {
    Parcel parcel;
    std::string code;
    std::string reason;
  };

  std::vector<std::shared_ptr<const void>> keeps;  // what the views of all parcels below point into
  std::vector<Parcel> delivered;
  std::vector<Dead> dead;                 // attempts and first failure are those of `judged`
  std::vector<Shipment> at_once;  // halves of one that was refused or gave up: nobody knows yet whose fault it was
  // Of each of the next four one, or its pieces (keep_order).
  std::vector<Shipment> later;  // to be tried again after a pause
  std::optional<Duration> retry_after;  // the pause that the peer asked for
  std::string retry_code;
  std::vector<Shipment> aside;  // it was not available for these, but for others: again after a pause; nothing counts yet
  std::vector<Shipment> untried;  // were not sent, because of one of the others; nothing counts against these
  std::vector<Shipment> held;  // the destination was not available; nothing counts against these
  std::optional<Outcome> unavailable;  // why
  std::optional<Outcome> by_itself;  // what the destination said of events for which it was not available, and others were
  int attempts = 0;  // of the shipment, this answer included
  Timestamp first_failed_at;
};

// Every parcel of the shipment is in exactly one place of the verdict.
//   delivered    settled.
//   rejected     a parcel that is alone, or was named by an answer per event, is dead; else the batch is halved.
//   retry        attempts count; later, until attempts_max or age_max, then as rejected.
//   unavailable  held, for the destination may be down. So is everything when the answer has neither one outcome nor one per
//                event. But when others were delivered, in the same answer or since this shipment failed before (suspicion.h),
//                it goes aside, and what is set aside says nothing about the destination; from the third time on it is at fault
//                itself: as rejected while it is more than one event, then as retry. An answer for each names the guilty, so
//                these are not halved. Not so when the destination is `limited` or `lost`: that is said of all.
// `delivered` counts the events that the destination has taken so far. `flowing`: nothing else says that it is down.
Verdict judge(Shipment shipment, Outcomes outcomes, const RetrySettings& retry, const Clock& clock, std::uint64_t delivered,
              bool flowing);

// For `order: key`. An answer for each parts neighbours: what becomes of them is cut into pieces, see cut_apart.
void keep_order(Verdict& verdict);

}  // namespace penstock::delivery
