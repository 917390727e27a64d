#include "pipeline/delivery/breaker.h"

#include <doctest/doctest.h>

namespace penstock::delivery {
namespace {

Breaker breaker() { return Breaker(Backoff(Duration{1000}, Duration{60'000}, 1)); }
Outcome down(std::optional<Duration> retry_after = {}) {
  return {.kind = Outcome::Kind::unavailable, .code = "http_503", .reason = "503", .retry_after = retry_after};
}
constexpr SteadyTime kNow{std::chrono::hours(1)};

}  // namespace

TEST_CASE("an outage holds until nothing is in flight, the pause is over and one write has gone through") {
  auto b = breaker();
  CHECK(b.wants_connect(kNow, 0));
  CHECK_FALSE(b.lets_through(0));
  b.connecting();
  CHECK_FALSE(b.wants_connect(kNow, 0));
  b.connected(false);
  CHECK(b.lets_through(3));

  b.unavailable(down(Duration{5000}), kNow);
  CHECK_FALSE(b.lets_through(0));
  CHECK_FALSE(b.wants_connect(kNow + Duration{4999}, 0));
  CHECK_FALSE(b.wants_connect(kNow + Duration{5000}, 1));
  CHECK(b.wants_connect(kNow + Duration{5000}, 0));
  b.connecting();
  b.connected(true);
  CHECK(b.lets_through(0));
  CHECK_FALSE(b.lets_through(1));
  CHECK(b.condition().health == Health::unavailable);
  b.answered();
  CHECK(b.lets_through(3));
  CHECK(b.condition() == Condition{Health::healthy, {}});
}

TEST_CASE("those in flight with the first failure count once, and the longest Retry-After wins") {
  auto b = breaker();
  b.connecting();
  b.connected(false);
  b.unavailable(down(Duration{1000}), kNow);
  b.unavailable(down(Duration{9000}), kNow);
  b.unavailable(down(), kNow);
  CHECK(b.until() == kNow + Duration{9000});
  b.answered();  // one that was in flight did get through: still, the pause stays
  CHECK(b.holding());
}

TEST_CASE("a Retry-After of a week is believed for an hour") {
  auto b = breaker();
  b.connecting();
  b.connected(false);
  b.unavailable(down(std::chrono::hours(168)), kNow);
  CHECK(b.until() == kNow + kRetryAfterMax);
}

TEST_CASE("pauses grow, never beyond the longest, never to nothing") {
  Backoff backoff(Duration{500}, Duration{30'000}, 42);
  for (int failures = 1; failures < 200; ++failures) {
    const auto pause = backoff.after(failures);
    CHECK(pause >= Duration{1});
    CHECK(pause <= std::min<Duration>(Duration{30'000}, Duration{500} * (1LL << std::min(failures - 1, 20))));
  }
}

}  // namespace penstock::delivery
