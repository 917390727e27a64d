#include "pipeline/delivery/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/delivery/key_lanes.h"

namespace penstock::delivery {
namespace {

Outcome wrong_count(std::size_t outcomes, std::size_t events) {
  return {.kind = Outcome::Kind::unavailable,
          .code = "bad_answer",
          .reason = fmt::format("the destination answered with {} outcomes for {} events", outcomes, events),
          .retry_after = {}};
}

bool gave_up(const Shipment& shipment, const RetrySettings& retry, SteadyTime now) {
  return shipment.retries >= retry.attempts_max || now - shipment.first_failed >= retry.age_max;
}

std::string last_words(const Shipment& shipment, const std::string& reason) {
  return fmt::format("gave up after {} attempts: {}", shipment.attempts, reason);
}

std::vector<Shipment> halves_of(const Shipment& shipment) {
  const auto middle = shipment.parcels.begin() + static_cast<std::ptrdiff_t>(shipment.parcels.size() / 2);
  std::vector<Shipment> halves;
  halves.push_back(part_of(shipment, {shipment.parcels.begin(), middle}));
  halves.push_back(part_of(shipment, {middle, shipment.parcels.end()}));
  return halves;
}

void judge_whole(Shipment shipment, Outcome outcome, bool exhausted, bool aside, Verdict& verdict) {
  switch (outcome.kind) {
    case Outcome::Kind::delivered: verdict.delivered = std::move(shipment.parcels); return;
    case Outcome::Kind::unavailable:
      if (aside) {
        verdict.retry_after = outcome.retry_after;
        verdict.aside.push_back(std::move(shipment));
        return;
      }
      verdict.unavailable = std::move(outcome);
      verdict.held.push_back(std::move(shipment));
      return;
    case Outcome::Kind::retry:
      if (!exhausted) {
        verdict.retry_after = outcome.retry_after;
        verdict.retry_code = std::move(outcome.code);
        verdict.later.push_back(std::move(shipment));
        return;
      }
      outcome.reason = last_words(shipment, outcome.reason);
      break;
    case Outcome::Kind::rejected: break;
  }
  if (shipment.parcels.size() > 1) {
    verdict.at_once = halves_of(shipment);
  } else {
    verdict.dead.push_back({shipment.parcels.front(), std::move(outcome.code), std::move(outcome.reason)});
  }
}

void judge_each(const Shipment& shipment, std::vector<Outcome> outcomes, bool exhausted, bool aside, Verdict& verdict) {
  std::vector<Parcel> later;
  std::vector<Parcel> set_aside;
  std::vector<Parcel> untried;
  std::vector<Parcel> held;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Parcel& parcel = shipment.parcels[i];
    Outcome& outcome = outcomes[i];
    switch (outcome.kind) {
      case Outcome::Kind::delivered: verdict.delivered.push_back(parcel); break;
      case Outcome::Kind::rejected:
        verdict.dead.push_back({parcel, std::move(outcome.code), std::move(outcome.reason)});
        break;
      case Outcome::Kind::retry:
        if (exhausted) {
          verdict.dead.push_back({parcel, std::move(outcome.code), last_words(shipment, outcome.reason)});
          break;
        }
        later.push_back(parcel);
        verdict.retry_after = std::max(verdict.retry_after, outcome.retry_after);
        verdict.retry_code = std::move(outcome.code);
        break;
      case Outcome::Kind::unavailable:
        if (outcome.untried && verdict.by_itself) {
          untried.push_back(parcel);
          break;
        }
        if (aside) {
          set_aside.push_back(parcel);
          verdict.retry_after = std::max(verdict.retry_after, outcome.retry_after);
          break;
        }
        held.push_back(parcel);
        if (!verdict.unavailable) verdict.unavailable = outcome;
        verdict.unavailable->retry_after = std::max(verdict.unavailable->retry_after, outcome.retry_after);
        break;
    }
  }
  if (!later.empty()) verdict.later.push_back(part_of(shipment, std::move(later)));
  if (!untried.empty()) verdict.untried.push_back(part_of(shipment, std::move(untried)));
  if (!set_aside.empty()) verdict.aside.push_back(part_of(shipment, std::move(set_aside)));
  if (!held.empty()) verdict.held.push_back(part_of(shipment, std::move(held)));
}

// Events for which the destination is not available, though not because it is `limited` or `lost`: these are said of all.
struct Failure {
  std::vector<Outcome>::iterator first;
  bool all = false;  // nothing else is said of any
  std::uint64_t together = 0;  // events delivered in the same answer
};

std::optional<Failure> failure_in(std::vector<Outcome>& outcomes) {
  Failure found{.first = outcomes.end()};
  std::size_t failed = 0;
  for (auto each = outcomes.begin(); each != outcomes.end(); ++each) {
    if (each->kind == Outcome::Kind::delivered) ++found.together;
    if (each->kind != Outcome::Kind::unavailable) continue;
    if (each->limited || each->lost) return std::nullopt;
    ++failed;
    if (!each->untried && found.first == outcomes.end()) found.first = each;
  }
  found.all = failed == outcomes.size();
  return found.first == outcomes.end() ? std::nullopt : std::optional(found);
}

// Whether those that failed wait by themselves, for it may be their own fault; when it is, the outcomes say so.
bool weigh_failure(Shipment& shipment, std::vector<Outcome>& outcomes, const Failure& failure, std::uint64_t delivered,
                   bool flowing, std::optional<Outcome>& by_itself) {
  if (!failure.all && failure.together == 0 && !shipment.aside()) return false;
  const auto fault = shipment.suspicion.failed(delivered, failure.together);
  if (fault == Suspicion::Fault::unclear && !(flowing && shipment.aside())) return false;
  by_itself = *failure.first;
  if (fault != Suspicion::Fault::own) return true;
  const bool halve = outcomes.size() < shipment.parcels.size();
  for (Outcome& each : outcomes)
    if (each.kind == Outcome::Kind::unavailable && !each.untried)
      each.kind = halve ? Outcome::Kind::rejected : Outcome::Kind::retry;
  return true;
}

// An outage says nothing about the events, so it leaves no trace on them.
bool says_something_about_events(const std::vector<Outcome>& outcomes) {
  return std::ranges::any_of(outcomes, [](const Outcome& outcome) {
    return outcome.kind == Outcome::Kind::rejected || outcome.kind == Outcome::Kind::retry;
  });
}

}  // namespace

Verdict judge(Shipment shipment, Outcomes outcomes, const RetrySettings& retry, const Clock& clock, std::uint64_t delivered,
              bool flowing) {
  const std::size_t events = shipment.parcels.size();
  if (outcomes.each.size() != 1 && outcomes.each.size() != events) {
    outcomes = Outcomes::all(wrong_count(outcomes.each.size(), events));
  }
  Verdict verdict;
  const Suspicion unsuspected = shipment.suspicion;
  bool aside = false;
  if (const auto failure = failure_in(outcomes.each))
    aside = weigh_failure(shipment, outcomes.each, *failure, delivered, flowing, verdict.by_itself);
  const Shipment before = part_of(shipment, {});
  const bool counts = says_something_about_events(outcomes.each);
  if (counts) {
    if (++shipment.attempts == 1) {
      shipment.first_failed_at = clock.now();
      shipment.first_failed = clock.steady();
    }
    const bool retried =
        std::ranges::any_of(outcomes.each, [](const Outcome& each) { return each.kind == Outcome::Kind::retry; });
    if (retried) ++shipment.retries;
  }
  verdict.keeps = shipment.keeps;
  verdict.attempts = shipment.attempts;
  verdict.first_failed_at = shipment.first_failed_at;
  const bool exhausted = gave_up(shipment, retry, clock.steady());
  if (outcomes.each.size() == 1) {
    judge_whole(std::move(shipment), std::move(outcomes.each.front()), exhausted, aside, verdict);
  } else {
    judge_each(shipment, std::move(outcomes.each), exhausted, aside, verdict);
  }
  // Some of their neighbours may have failed by themselves; these did not, or nobody knows yet.
  for (auto* uncounted : {&verdict.held, &verdict.aside, &verdict.untried}) {
    for (Shipment& part : *uncounted) {
      part.attempts = before.attempts;
      part.retries = before.retries;
      part.first_failed_at = before.first_failed_at;
      part.first_failed = before.first_failed;
    }
  }
  for (Shipment& part : verdict.untried) part.suspicion = unsuspected;
  return verdict;
}

void keep_order(Verdict& verdict) {
  std::array parts{std::move(verdict.untried), std::move(verdict.held), std::move(verdict.aside), std::move(verdict.later)};
  cut_apart(parts);
  verdict.untried = std::move(parts[0]);
  verdict.held = std::move(parts[1]);
  verdict.aside = std::move(parts[2]);
  verdict.later = std::move(parts[3]);
}

}  // namespace penstock::delivery
