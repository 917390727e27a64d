#include "pipeline/kafka/group_commit.h"

#include <doctest/doctest.h>

#include "tests/fakes/mock_kafka.h"

namespace penstock::kafka {
namespace {

constexpr Duration kPatience{20'000};
constexpr int kPartitions = 2;
using Offsets = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("what a group has committed is known by partition") {
  fakes::MockKafka kafka;
  kafka.create("orders", kPartitions);
  const auto settings = connection({kafka.address()});
  CHECK(group_offsets(settings, "g", "orders", kPartitions, kPatience).value() == Offsets(kPartitions, kNoOffset));
  REQUIRE(commit_group_offsets(settings, "g", "orders", {kNoOffset, 7}, kPatience));
  CHECK(group_offsets(settings, "g", "orders", kPartitions, kPatience).value() == Offsets{kNoOffset, 7});
}

// Whoever took it for "nothing is committed" would begin there.
TEST_CASE("an error of one partition is no answer for the others, and nothing is said to be committed") {
  fakes::MockKafka kafka;
  kafka.create("orders", kPartitions);
  const auto settings = connection({kafka.address()});
  const auto asked = group_offsets(settings, "g", "orders", kPartitions + 1, kPatience);
  REQUIRE_FALSE(asked.has_value());
  CHECK(asked.error().kind == ErrorKind::unavailable);
  CHECK_FALSE(commit_group_offsets(settings, "g", "orders", {5, 7, 9}, kPatience).has_value());
}

}  // namespace penstock::kafka
