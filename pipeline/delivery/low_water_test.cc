#include "pipeline/delivery/low_water.h"

#include <doctest/doctest.h>

#include <random>

namespace penstock::delivery {

TEST_CASE("the position moves only over what is settled from the front on") {
  LowWater water({0});
  const auto a = water.add({10}, 2, Timestamp{1});
  const auto b = water.add({20}, 1, Timestamp{2});
  const auto c = water.add({30}, 1, Timestamp{3});
  water.settle(c, 1);
  water.settle(b, 1);
  CHECK(water.position() == Offsets{0});
  water.settle(a, 1);
  CHECK(water.position() == Offsets{0});
  CHECK(water.oldest_unsettled() == Timestamp{1});
  water.settle(a, 1);
  CHECK(water.position() == Offsets{30});
  CHECK_FALSE(water.oldest_unsettled().has_value());
}

TEST_CASE("what was passed over is settled with what was read before it") {
  LowWater water({0});
  water.pass({5});
  CHECK(water.position() == Offsets{5});
  const auto a = water.add({10}, 1, {});
  water.pass({15});
  CHECK(water.position() == Offsets{5});
  water.settle(a, 1);
  CHECK(water.position() == Offsets{15});
}

TEST_CASE("in whatever order marks settle, the position is the first unsettled one's start") {
  const auto seed = std::random_device()();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    LowWater water({0});
    std::vector<std::pair<LowWater::Mark, std::size_t>> open;
    for (std::uint64_t i = 1; i <= 20; ++i) {
      const std::size_t events = 1 + random() % 3;
      const auto mark = water.add({i}, events, Timestamp{static_cast<std::int64_t>(i)});
      for (std::size_t n = 0; n < events; ++n) open.emplace_back(mark, i);
    }
    std::shuffle(open.begin(), open.end(), random);
    while (!open.empty()) {
      water.settle(open.back().first, 1);
      open.pop_back();
      std::uint64_t expected = 20;
      for (const auto& [mark, i] : open) expected = std::min<std::uint64_t>(expected, i - 1);
      REQUIRE(water.position() == Offsets{expected});
    }
    REQUIRE(water.unsettled_marks() == 0);
  }
}

}  // namespace penstock::delivery
