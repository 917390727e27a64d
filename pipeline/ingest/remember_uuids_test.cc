// The uuids of a log that is damaged.
#include "pipeline/ingest/remember_uuids.h"

#include <doctest/doctest.h>

#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::ingest {
namespace {

constexpr int kRecords = 40;

// A record a second, of one event each.
struct Rig {
  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};

  Rig() {
    for (int i = 0; i < kRecords; ++i) {
      clock.advance(Duration{1000});
      log.add(LogName::events, {{.body = "{\"n\":" + std::to_string(i) + "}", .received_at = {}}});
    }
    clock.advance(Duration{1000});
  }
  Timestamp appended(int record) const { return {clock.now().ms - (kRecords - record) * 1000}; }
  bool has(const SeenUuids& seen, int record) const {
    const auto stored = log.records(LogName::events)[static_cast<std::size_t>(record)];
    for (const auto& chunk : stored->chunks)
      for (std::uint32_t i = 0; i < chunk->size(); ++i)
        if (!seen.contains(chunk->facts(i).uuid)) return false;
    return true;
  }
};

}  // namespace

TEST_CASE("what stands before damage in the log, and behind it, is remembered") {
  for (const auto kind : {ErrorKind::corrupt, ErrorKind::io, ErrorKind::not_found}) {
    for (const int damaged : {0, 1, 17, kRecords - 2, kRecords - 1}) {
      CAPTURE(damaged);
      Rig rig;
      rig.log.damage_events(static_cast<std::uint64_t>(damaged), {kind, "damaged"});
      SeenUuids seen{{}};
      REQUIRE(remember_uuids(seen, rig.log, rig.clock));
      for (int i = 0; i < kRecords; ++i) CHECK(rig.has(seen, i) == (i != damaged));
      const bool last = damaged == kRecords - 1;
      CHECK(seen.covers_from().ms > rig.appended(damaged).ms);
      CHECK(seen.covers_from().ms <= (last ? rig.clock.now().ms : rig.appended(damaged + 1).ms));
    }
  }
}

TEST_CASE("damage where the newest uuids begin costs no more than itself") {
  Rig rig;
  rig.log.damage_events(30, {ErrorKind::corrupt, "damaged"});
  SeenUuids seen{{.uuids_max = 10}};
  REQUIRE(remember_uuids(seen, rig.log, rig.clock));
  for (int i = 31; i < kRecords; ++i) CHECK(rig.has(seen, i));
}

TEST_CASE("a log that is out of reach or of a newer program keeps a start waiting") {
  for (const auto kind : {ErrorKind::unavailable, ErrorKind::conflict, ErrorKind::stopped}) {
    Rig rig;
    rig.log.damage_events(5, {kind, "not now"});
    SeenUuids seen{{}};
    const auto refused = remember_uuids(seen, rig.log, rig.clock);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == kind);
  }
}

TEST_CASE("whoever has no time to remember all of them is not kept") {
  Rig rig;
  SeenUuids seen{{}};
  std::stop_source asked;
  asked.request_stop();
  const auto stopped = remember_uuids(seen, rig.log, rig.clock, asked.get_token());
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().kind == ErrorKind::stopped);
}

TEST_CASE("what came since the last time is remembered, and what was read then is not read again") {
  Rig rig;
  UuidsOfLog uuids({.uuids_max = 10});
  REQUIRE(uuids.catch_up(rig.log, rig.clock, {}));
  for (int i = kRecords - 10; i < kRecords; ++i) CHECK(rig.has(uuids.seen(), i));
  rig.log.damage_events(kRecords - 3, {ErrorKind::unavailable, "not now"});
  for (int i = 0; i < 4; ++i)
    rig.log.add(LogName::events, {{.body = "{\"more\":" + std::to_string(i) + "}", .received_at = {}}});
  REQUIRE(uuids.catch_up(rig.log, rig.clock, {}));
  for (int i = kRecords - 6; i < kRecords + 4; ++i) CHECK(rig.has(uuids.seen(), i));
}

}  // namespace penstock::ingest
