#include "pipeline/topology/share_of_events.h"

#include <doctest/doctest.h>

#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::topology {
namespace {

constexpr int kPartitions = 8;
constexpr int kShards = 4;
constexpr int kKeys = 50;

TEST_CASE("a share of the events has its partitions, each event once, and nothing else") {
  fakes::ManualClock clock;
  fakes::MemoryLog whole(clock, kPartitions);
  for (int n = 0; n < kKeys; ++n) {
    whole.add(LogName::events, {{.body = R"({"event":"a"})", .distinct_id = std::to_string(n), .received_at = {}},
                                {.body = R"({"event":"b"})", .distinct_id = std::to_string(n + 1), .received_at = {}}});
  }
  std::uint64_t seen = 0;
  for (const auto& here : {std::set{0, 3}, std::set{1}, std::set{2}}) {
    ShareOfEvents share(whole, here, kShards);
    CHECK(share.end(LogName::events) == whole.end(LogName::events));
    auto reader = share.read(LogName::events, Offsets(kPartitions, 0));
    REQUIRE(reader);
    Offsets next(kPartitions, 0);
    for (;;) {
      const auto record = (*reader)->next();
      REQUIRE(record);
      if (!*record) break;
      for (const auto& chunk : (*record)->chunks) {
        CHECK(here.contains(chunk->partition() % kShards));
        seen += chunk->size();
      }
      next = (*record)->next;
    }
    CHECK(next == whole.end(LogName::events));  // what is elsewhere is passed over, so nobody waits for it
  }
  CHECK(seen == 2 * kKeys);
}

TEST_CASE("a share of nothing passes everything over") {
  fakes::ManualClock clock;
  fakes::MemoryLog whole(clock, kPartitions);
  whole.add(LogName::events, {{.body = R"({"event":"a"})", .received_at = {}}});
  ShareOfEvents none(whole, {}, kShards);
  auto reader = none.read(LogName::events, Offsets(kPartitions, 0));
  REQUIRE(reader);
  const auto record = (*reader)->next();
  REQUIRE(record);
  REQUIRE(*record);
  CHECK((*record)->chunks.empty());
}

}  // namespace
}  // namespace penstock::topology
