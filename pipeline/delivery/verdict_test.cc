#include "pipeline/delivery/verdict.h"

#include <doctest/doctest.h>

#include "tests/fakes/manual_clock.h"

namespace penstock::delivery {
namespace {

using Kind = Outcome::Kind;

Shipment shipment_of(std::uint32_t events, int retries = 0) {
  Shipment made;
  made.mark = 7;
  made.retries = made.attempts = retries;
  for (std::uint32_t i = 0; i < events; ++i) made.parcels.push_back({.view = {}, .place = i});
  return made;
}

Outcome of_kind(Kind kind) { return {.kind = kind, .code = "code", .reason = "reason", .retry_after = {}}; }

std::size_t places_in(const std::vector<Shipment>& shipments) {
  std::size_t sum = 0;
  for (const auto& each : shipments) sum += each.parcels.size();
  return sum;
}

std::string places_of(const std::vector<Shipment>& pieces) {
  std::string text;
  for (const auto& piece : pieces) {
    for (const auto& parcel : piece.parcels) text += std::to_string(parcel.place);
    text += ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("what one answer for a whole batch means") {
  struct Case {
    Kind kind;
    std::uint32_t events;
    int retries;  // before this answer; the tenth is the last
    std::size_t delivered, dead, at_once, later, held;
  };
  const fakes::ManualClock clock;
  for (const auto& [kind, events, retries, delivered, dead, at_once, later, held] : std::vector<Case>{
           {Kind::delivered, 5, 0, 5, 0, 0, 0, 0},
           {Kind::rejected, 1, 0, 0, 1, 0, 0, 0},
           {Kind::rejected, 5, 0, 0, 0, 5, 0, 0},
           {Kind::retry, 5, 0, 0, 0, 0, 5, 0},
           {Kind::retry, 1, 8, 0, 0, 0, 1, 0},
           {Kind::retry, 1, 9, 0, 1, 0, 0, 0},
           {Kind::retry, 5, 9, 0, 0, 5, 0, 0},  // not all of them need be guilty
           {Kind::unavailable, 5, 0, 0, 0, 0, 0, 5},
           {Kind::unavailable, 1, 9, 0, 0, 0, 0, 1},
       }) {
    CAPTURE(static_cast<int>(kind));
    CAPTURE(events);
    CAPTURE(retries);
    auto shipment = shipment_of(events, retries);
    shipment.first_failed = clock.steady();
    const auto verdict = judge(std::move(shipment), Outcomes::all(of_kind(kind)), {}, clock, 0, true);
    CHECK(verdict.delivered.size() == delivered);
    CHECK(verdict.dead.size() == dead);
    CHECK(places_in(verdict.at_once) == at_once);
    CHECK(places_in(verdict.later) == later);
    CHECK(places_in(verdict.held) == held);
    CHECK(verdict.unavailable.has_value() == (held > 0));
    if (!verdict.held.empty()) CHECK(verdict.held.front().retries == retries);
    if (!verdict.later.empty()) CHECK(verdict.later.front().retries == retries + 1);
  }
}

TEST_CASE("with an answer for each, each goes its own way and an outage leaves no trace") {
  const fakes::ManualClock clock;
  Outcome limit = of_kind(Kind::unavailable);
  limit.limited = true;
  const auto verdict =
      judge(shipment_of(4), Outcomes{{of_kind(Kind::retry), limit, of_kind(Kind::rejected), of_kind(Kind::delivered)}}, {},
            clock, 0, true);
  REQUIRE(verdict.later.size() == 1);
  CHECK(verdict.later.front().order() == std::pair<LowWater::Mark, std::uint32_t>{7, 0});
  CHECK(verdict.later.front().attempts == 1);
  REQUIRE(verdict.held.size() == 1);
  CHECK(verdict.held.front().order().second == 1);
  CHECK(verdict.held.front().attempts == 0);
  REQUIRE(verdict.dead.size() == 1);
  CHECK(verdict.dead[0].parcel.place == 2);
  REQUIRE(verdict.delivered.size() == 1);
  CHECK(verdict.delivered[0].place == 3);
}

TEST_CASE("what fails in an answer that delivers others goes aside, and is at fault after three times") {
  const fakes::ManualClock clock;
  const Outcomes mixed{{of_kind(Kind::delivered), of_kind(Kind::unavailable), of_kind(Kind::unavailable)}};
  const Outcomes both{{of_kind(Kind::unavailable), of_kind(Kind::unavailable)}};
  const Outcomes one = Outcomes::all(of_kind(Kind::unavailable));
  auto verdict = judge(shipment_of(3), mixed, {}, clock, 0, true);
  CHECK_FALSE(verdict.unavailable);
  CHECK(verdict.by_itself);
  CHECK(verdict.delivered.size() == 1);
  REQUIRE(verdict.aside.size() == 1);
  CHECK(verdict.aside.front().parcels.size() == 2);
  CHECK(verdict.aside.front().attempts == 0);
  SUBCASE("others go between its failures: those that are named are tried again as often as any") {
    verdict = judge(std::move(verdict.aside.front()), both, {}, clock, 10, true);
    CHECK_FALSE(verdict.unavailable);
    REQUIRE(verdict.aside.size() == 1);
    verdict = judge(std::move(verdict.aside.front()), both, {}, clock, 20, true);
    CHECK_FALSE(verdict.unavailable);
    REQUIRE(verdict.later.size() == 1);
    CHECK(verdict.later.front().parcels.size() == 2);
    CHECK(verdict.later.front().attempts == 1);
    verdict = judge(std::move(verdict.later.front()), both, {}, clock, 20, true);
    CHECK(verdict.unavailable);  // nothing went between
    verdict = judge(std::move(verdict.held.front()), both, {.attempts_max = 2}, clock, 30, true);
    CHECK(verdict.dead.size() == 2);
  }
  SUBCASE("others go between its failures: halved, where it is said of all together") {
    verdict = judge(std::move(verdict.aside.front()), one, {}, clock, 10, true);
    REQUIRE(verdict.aside.size() == 1);
    verdict = judge(std::move(verdict.aside.front()), one, {}, clock, 20, true);
    REQUIRE(verdict.at_once.size() == 2);
    verdict = judge(verdict.at_once[0], one, {}, clock, 30, true);
    CHECK(verdict.later.size() == 1);
  }
  SUBCASE("nothing is delivered between them: that may be an outage, and does not count") {
    Shipment part = verdict.aside.front();
    for (int i = 0; i < 10; ++i) {
      verdict = judge(part, both, {}, clock, 1, false);
      CHECK(verdict.unavailable);
      REQUIRE(verdict.held.size() == 1);
      CHECK(verdict.held.front().attempts == 0);
      part = verdict.held.front();
    }
    SUBCASE("nor does it say anything about the destination") {
      part.aside_bytes = 1;
      for (int i = 0; i < 10; ++i) {
        verdict = judge(part, both, {}, clock, 1, true);
        CHECK_FALSE(verdict.unavailable);
        REQUIRE(verdict.aside.size() == 1);
        CHECK(verdict.aside.front().attempts == 0);
        part = verdict.aside.front();
      }
    }
  }
}

TEST_CASE("a destination that is lost is held, though it has taken the first events of the write") {
  const fakes::ManualClock clock;
  Outcome lost = of_kind(Kind::unavailable);
  lost.lost = true;
  const auto verdict = judge(shipment_of(2), Outcomes{{of_kind(Kind::delivered), lost}}, {}, clock, 0, true);
  CHECK(verdict.unavailable);
  CHECK(verdict.held.size() == 1);
}

TEST_CASE("what was not sent because another one failed has not failed") {
  const fakes::ManualClock clock;
  Outcome untried = of_kind(Kind::unavailable);
  untried.untried = true;
  const Outcomes answer{{of_kind(Kind::delivered), of_kind(Kind::unavailable), untried, untried}};
  auto verdict = judge(shipment_of(4), answer, {}, clock, 0, true);
  CHECK_FALSE(verdict.unavailable);
  REQUIRE(verdict.aside.size() == 1);
  CHECK(verdict.aside.front().parcels.size() == 1);
  CHECK(verdict.aside.front().parcels[0].place == 1);
  REQUIRE(verdict.untried.size() == 1);
  CHECK(verdict.untried.front().parcels.size() == 2);
  // Nothing went: that may be an outage, and holds them all.
  verdict = judge(std::move(verdict.untried.front()), Outcomes{{of_kind(Kind::unavailable), untried}}, {}, clock, 1, true);
  CHECK(verdict.unavailable);
  REQUIRE(verdict.held.size() == 1);
  CHECK(verdict.held.front().parcels.size() == 2);
}

TEST_CASE("in order, what becomes of the events of one lane does not interleave") {
  struct Case {
    std::string lanes;
    std::string answer;  // r: retry, h: the destination is limited, d: delivered
    std::string held, later;  // places
  };
  const fakes::ManualClock clock;
  for (const auto& [lanes, answer, held, later] : std::vector<Case>{
           {"aaa", "hrh", "0 2 ", "1 "},
           {"abb", "hrh", "0 2 ", "1 "},
           {"aba", "hrh", "02 ", "1 "},
           {"cbb", "rhr", "1 ", "0 2 "},     // 0 would take 2 with it, before 1
           {"acbb", "rhrh", "1 3 ", "02 "},  // when 0 has gone, 1 would take 3 with it, before 2
           {"aaaaa", "hhrrh", "01 4 ", "23 "},
           {"abcabc", "hhhrrr", "012 ", "345 "},
           {"aaaa", "hdhh", "023 ", ""},
       }) {
    CAPTURE(lanes);
    CAPTURE(answer);
    auto shipment = shipment_of(static_cast<std::uint32_t>(lanes.size()), 2);
    shipment.pauses = 3;
    shipment.first_failed_at = clock.now();
    shipment.first_failed = clock.steady();
    Outcomes outcomes;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      shipment.parcels[i].key_lane = static_cast<std::uint16_t>(lanes[i]);
      outcomes.each.push_back(of_kind(answer[i] == 'r'   ? Kind::retry
                                      : answer[i] == 'h' ? Kind::unavailable
                                                         : Kind::delivered));
      outcomes.each.back().limited = answer[i] == 'h';
    }
    auto verdict = judge(std::move(shipment), std::move(outcomes), {}, clock, 0, true);
    keep_order(verdict);
    CHECK(places_of(verdict.held) == held);
    CHECK(places_of(verdict.later) == later);
    for (const auto& piece : verdict.held) CHECK(piece.retries == 2);
    for (const auto& piece : verdict.later) CHECK(piece.retries == 3);
    for (const auto* pieces : {&verdict.held, &verdict.later}) {
      for (const auto& piece : *pieces) {
        CHECK(piece.mark == 7);
        CHECK(piece.pauses == 3);
        CHECK(piece.first_failed_at == clock.now());
      }
    }
  }
}

TEST_CASE("age ends retries as attempts do") {
  fakes::ManualClock clock;
  const RetrySettings retry{.attempts_max = 100, .age_max = Duration{1000}};
  auto verdict = judge(shipment_of(1), Outcomes::all(of_kind(Kind::retry)), retry, clock, 0, true);
  REQUIRE(verdict.later.size() == 1);
  clock.advance(Duration{1000});
  verdict = judge(std::move(verdict.later.front()), Outcomes::all(of_kind(Kind::retry)), retry, clock, 0, true);
  CHECK(verdict.dead.size() == 1);
  CHECK(verdict.attempts == 2);
}

}  // namespace penstock::delivery
