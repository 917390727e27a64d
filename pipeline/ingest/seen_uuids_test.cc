#include "pipeline/ingest/seen_uuids.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <utility>

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
  CHECK(seen.claim(uuid_of(1), kNow));
  seen.batch_appended();
  CHECK(seen.claim(uuid_of(2), kNow));
  SUBCASE("the batch alone is given up") {
    seen.batch_durable();
    seen.give_up();
    CHECK(seen.contains(uuid_of(1)));
    CHECK_FALSE(seen.contains(uuid_of(2)));
  }
  SUBCASE("so is the commit that the log refused") {
    seen.give_up();
    CHECK(seen.size() == 0);
  }
  SUBCASE("but not the one before it") {
    seen.batch_appended();
    CHECK(seen.claim(uuid_of(3), kNow));
    seen.give_up();
    CHECK(seen.contains(uuid_of(1)));
    CHECK(seen.size() == 1);
  }
}

TEST_CASE("with nothing to remember everything is new") {
  SeenUuids seen({.window = Duration{1000}, .uuids_max = 0});
  CHECK(seen.claim(uuid_of(1), kNow));
  CHECK(seen.claim(uuid_of(1), kNow));
  seen.give_up();
}

TEST_CASE("it remembers what a list would") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SeenUuids seen({.window = Duration{1'000'000}, .uuids_max = 100});
  std::deque<std::uint64_t> list;
  std::size_t in_flight = 0;  // sizes at the end of the list
  std::size_t batch = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t n = random() % 300;
    switch (random() % 40) {
      case 0:
        seen.batch_appended();
        in_flight = std::exchange(batch, 0);
        break;
      case 1:
        seen.give_up();
        list.resize(list.size() - batch - in_flight);
        in_flight = batch = 0;
        break;
      case 2:
        seen.batch_durable();
        in_flight = 0;
        break;
      default: {
        const bool is_new = std::ranges::find(list, n) == list.end();
        REQUIRE(seen.claim(uuid_of(n), kNow) == is_new);
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
