#include "pipeline/ingest/seen_uuids.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace penstock::ingest {
namespace {

constexpr Timestamp kNow{1'760'000'000'000};

Uuid uuid_of(std::uint64_t n) {
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) uuid.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return uuid;
}

}  // namespace

TEST_CASE("a uuid is claimed once, until it is the oldest of too many or too old") {
  SeenUuids seen({.window = Duration{60'000}, .uuids_max = 4});
  for (std::uint64_t n = 1; n <= 4; ++n) CHECK(seen.claim(uuid_of(n), kNow));
  CHECK_FALSE(seen.claim(uuid_of(1), kNow));
  CHECK(seen.claim(uuid_of(5), kNow));
  CHECK_FALSE(seen.contains(uuid_of(1)));
  CHECK(seen.contains(uuid_of(2)));
  CHECK(seen.size() == 4);
  CHECK_FALSE(seen.claim(uuid_of(5), Timestamp{kNow.ms + 60'000}));
  CHECK(seen.claim(uuid_of(5), Timestamp{kNow.ms + 62'000}));
  CHECK(seen.size() == 1);
  CHECK(seen.covers_from().ms > kNow.ms);
}

TEST_CASE("what was not committed was not seen") {
  SeenUuids seen({});
  UuidClaims claims(seen);
  CHECK(claims.claim(uuid_of(1), kNow));
  claims.batch_appended();
  CHECK(claims.claim(uuid_of(2), kNow));
  SUBCASE("the batch alone is given up") {
    claims.batch_durable();
    claims.give_up();
    CHECK(seen.contains(uuid_of(1)));
    CHECK_FALSE(seen.contains(uuid_of(2)));
  }
  SUBCASE("so is the commit that the log refused") {
    claims.give_up();
    CHECK(seen.size() == 0);
  }
  SUBCASE("but not the one before it") {
    claims.batch_appended();
    CHECK(claims.claim(uuid_of(3), kNow));
    claims.give_up();
    CHECK(seen.contains(uuid_of(1)));
    CHECK(seen.size() == 1);
  }
}

TEST_CASE("what was there before is no news either, until it is too old") {
  SeenUuids before({.window = Duration{60'000}, .uuids_max = 4});
  REQUIRE(before.claim(uuid_of(1), kNow));
  SeenUuids seen({.window = Duration{60'000}, .uuids_max = 1});
  UuidClaims claims(seen, &before);
  CHECK(claims.contains(uuid_of(1), kNow));
  CHECK_FALSE(claims.claim(uuid_of(1), kNow));
  CHECK(claims.claim(uuid_of(2), kNow));
  CHECK(claims.covers_from() == kNow);
  const Timestamp later{kNow.ms + 62'000};
  CHECK_FALSE(claims.contains(uuid_of(1), later));
  CHECK(claims.claim(uuid_of(1), later));
  CHECK(claims.covers_from().ms > kNow.ms);  // uuid 2 was too much
}

TEST_CASE("with nothing to remember everything is new") {
  SeenUuids seen({.window = Duration{1000}, .uuids_max = 0});
  UuidClaims claims(seen);
  CHECK(claims.claim(uuid_of(1), kNow));
  CHECK(claims.claim(uuid_of(1), kNow));
  claims.give_up();
}

TEST_CASE("what one worker gives up stays claimed by the others, and its place is not lost") {
  SeenUuids seen({.window = Duration{60'000}, .uuids_max = 4});
  UuidClaims one(seen), other(seen);
  CHECK(one.claim(uuid_of(1), kNow));
  CHECK(other.claim(uuid_of(2), kNow));
  CHECK_FALSE(other.claim(uuid_of(1), kNow));
  CHECK(one.claim(uuid_of(3), kNow));
  one.give_up();
  CHECK(seen.size() == 1);
  CHECK(seen.contains(uuid_of(2)));
  CHECK(other.claim(uuid_of(1), kNow));  // the first to commit it has it
  one.give_up();
  CHECK(seen.contains(uuid_of(1)));
  SUBCASE("what was forgotten meanwhile is somebody else's by now") {
    for (std::uint64_t n = 11; n <= 14; ++n) CHECK(one.claim(uuid_of(n), kNow));
    CHECK(one.claim(uuid_of(2), kNow));
    other.give_up();
    CHECK(seen.contains(uuid_of(2)));
    CHECK(seen.size() == 4);
  }
}

TEST_CASE("uuids that sixteen workers claim at once are each claimed by one of them") {
  SeenUuids seen({});
  std::vector<std::uint64_t> claimed(16);
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < claimed.size(); ++t) {
    threads.emplace_back([&, t] {
      UuidClaims claims(seen);
      // Each number is tried by two threads.
      for (std::uint64_t n = t / 2 * 100'000; n < (t / 2 + 1) * 100'000; ++n) {
        claimed[t] += claims.claim(uuid_of(n), kNow) ? 1 : 0;
        if (n % 1000 == 999) claims.batch_appended();
      }
    });
  }
  threads.clear();
  CHECK(std::accumulate(claimed.begin(), claimed.end(), std::uint64_t{0}) == 800'000);
  CHECK(seen.size() == 800'000);
  CHECK(seen.covers_from() == kNow);
}

TEST_CASE("it remembers what a list would") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SeenUuids seen({.window = Duration{1'000'000}, .uuids_max = 100});
  UuidClaims claims(seen);
  std::deque<std::uint64_t> list;
  std::size_t in_flight = 0;  // sizes at the end of the list
  std::size_t batch = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t n = random() % 300;
    switch (random() % 40) {
      case 0:
        claims.batch_appended();
        in_flight = std::exchange(batch, 0);
        break;
      case 1:
        claims.give_up();
        list.resize(list.size() - batch - in_flight);
        in_flight = batch = 0;
        break;
      case 2:
        claims.batch_durable();
        in_flight = 0;
        break;
      default: {
        const bool is_new = std::ranges::find(list, n) == list.end();
        REQUIRE(claims.claim(uuid_of(n), kNow) == is_new);
        if (!is_new) break;
        if (list.size() == 100) {
          list.pop_front();
          if (in_flight + batch > list.size()) (in_flight > 0 ? in_flight : batch) -= 1;
        }
        list.push_back(n);
        ++batch;
      }
    }
    REQUIRE(seen.size() == list.size());
  }
  for (std::uint64_t n = 0; n < 300; ++n) CHECK(seen.contains(uuid_of(n)) == (std::ranges::find(list, n) != list.end()));
}

}  // namespace penstock::ingest
