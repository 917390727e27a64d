// links: ingest benchmark::benchmark
// What it costs an event that ingest remembers its uuid: a million are remembered, each new one pushes out the oldest.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <vector>

#include "pipeline/ingest/seen_uuids.h"

namespace penstock::ingest {
namespace {

constexpr std::size_t kAhead = 4;
constexpr std::size_t kRemembered = 1'000'000;
constexpr Timestamp kNow{1'760'000'000'000};

std::vector<Uuid> random_uuids(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<Uuid> uuids(count);
  for (Uuid& uuid : uuids) {
    const std::uint64_t halves[2] = {random(), random()};
    std::memcpy(uuid.bytes.data(), halves, sizeof halves);
  }
  return uuids;
}

void look_up_and_claim(benchmark::State& state) {
  const auto uuids = random_uuids(3 * kRemembered);
  SeenUuids seen({});
  UuidClaims claims(seen);
  for (std::size_t i = 0; i < kRemembered; ++i) seen.claim(uuids[i], kNow);
  std::size_t next = kRemembered;
  std::int64_t new_ones = 0;
  for (auto _ : state) {
    claims.expect(uuids[(next + kAhead) % uuids.size()]);  // as ingest does
    const Uuid& uuid = uuids[next++ % uuids.size()];
    if (!claims.contains(uuid, kNow)) new_ones += claims.claim(uuid, kNow) ? 1 : 0;
    if (next % 1000 == 0) claims.batch_appended();
  }
  if (new_ones != state.iterations()) state.SkipWithError("a uuid that was new was taken for one that was seen");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(look_up_and_claim)->Iterations(2'000'000);

}  // namespace
}  // namespace penstock::ingest

BENCHMARK_MAIN();
