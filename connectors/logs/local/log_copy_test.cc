// The copies of both logs that a backup takes while they are written to.

#include "connectors/logs/local/log_copy.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "connectors/logs/local/local_log.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::local {
namespace {

using conformance::append_and_wait;
using conformance::events_of;
using conformance::read_all;
using conformance::sample_record;
using fakes::MemoryDisk;
using Verb = MemoryDisk::Verb;

constexpr int kPartitions = 4;
const fakes::ManualClock kClock;

std::unique_ptr<LocalLog> open(Disk& disk, const std::string& folder, Bytes segment_bytes = 1_KiB) {
  auto opened = LocalLog::open({.folder = folder, .partitions = kPartitions, .segment_bytes = segment_bytes}, disk, kClock);
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  return *std::move(opened);
}

void append_some(Log& log, LogName name, int first, int count) {
  for (int i = first; i < first + count; ++i) append_and_wait(log, name, sample_record(i % kPartitions, i)).value();
}

Result<void> nothing() { return {}; }

LocalLog::Copies must_copy(MemoryDisk& disk, LocalLog& log) {
  const auto copies = log.copy_to("copy", nothing);
  REQUIRE_MESSAGE(copies.has_value(), (copies ? "" : copies.error().message));
  REQUIRE(disk.write_atomically("copy/FORMAT", fmt::format("penstock-data 1\npartitions {}\n", kPartitions)).has_value());
  return *copies;
}

}  // namespace

TEST_CASE("a copy has what was durable, and from then on the two go their own ways") {
  for (const bool links : {true, false}) {
    CAPTURE(links);
    MemoryDisk disk;
    if (!links) disk.refuse_links();
    const auto log = open(disk, "data");
    append_some(*log, LogName::events, 0, 50);
    append_some(*log, LogName::captured, 0, 7);
    const auto events = events_of(read_all(*log, LogName::events));
    const auto made = must_copy(disk, *log);
    CHECK(made.events.events == 50);
    CHECK(made.events.next_sequence == 50);
    CHECK(made.events.bytes == log->bytes(LogName::events));
    CHECK(made.captured.events == 7);
    append_some(*log, LogName::events, 50, 30);
    const auto both = events_of(read_all(*log, LogName::events));

    const auto copy = open(disk, "copy");
    CHECK(events_of(read_all(*copy, LogName::events)) == events);
    CHECK(events_of(read_all(*copy, LogName::captured)).size() == 7);
    append_some(*copy, LogName::events, 100, 40);
    CHECK(events_of(read_all(*copy, LogName::events)).size() == 90);
    CHECK(events_of(read_all(*log, LogName::events)) == both);
  }
}

TEST_CASE("bytes that were never acknowledged are not copied") {
  MemoryDisk disk;
  const auto log = open(disk, "data", 64_MiB);
  append_some(*log, LogName::events, 0, 3);
  const std::string segment = "/log/events/00000000000000000000.seg";
  const std::string durable = disk.content("data" + segment);
  disk.fail(Verb::append, ENOSPC);
  disk.fail(Verb::truncate, EIO);
  REQUIRE_FALSE(append_and_wait(*log, LogName::events, sample_record(0, 3)).has_value());
  REQUIRE(disk.content("data" + segment).size() > durable.size());
  must_copy(disk, *log);
  CHECK(disk.content("copy" + segment) == durable);
}

TEST_CASE("a copy that was made survives a power cut, and so does the original") {
  for (const bool links : {true, false}) {
    CAPTURE(links);
    MemoryDisk disk;
    if (!links) disk.refuse_links();
    const auto log = open(disk, "data");
    append_some(*log, LogName::events, 0, 50);
    must_copy(disk, *log);
    const auto after = disk.crash(1, MemoryDisk::Unsynced::lost);
    for (const char* folder : {"data", "copy"}) {
      CAPTURE(folder);
      CHECK(events_of(read_all(*open(*after, folder), LogName::events)).size() == 50);
    }
  }
}

TEST_CASE("nothing is trimmed between what comes before the copy and its end") {
  MemoryDisk disk;
  const auto log = open(disk, "data");
  append_some(*log, LogName::events, 0, 50);
  const TrimLimits everything{.older_than = {}, .bytes_max = 0, .before_sequence = 50, .keep_from = {}};
  const auto trimmed = [&] { return log->trim(LogName::events, everything).value().events; };
  std::uint64_t meanwhile = 1;
  const auto copies = log->copy_to("copy", [&]() -> Result<void> {
    meanwhile = trimmed();
    return {};
  });
  REQUIRE(copies.has_value());
  CHECK(meanwhile == 0);
  CHECK(trimmed() > 0);
}

TEST_CASE("a copy that fails says so, and the log goes on") {
  MemoryDisk disk;
  const auto log = open(disk, "data");
  append_some(*log, LogName::events, 0, 20);
  SUBCASE("before it begins") {
    const auto copies = log->copy_to("copy", [] { return Result<void>(fail(ErrorKind::io, "no state")); });
    REQUIRE_FALSE(copies.has_value());
    CHECK(copies.error().message == "no state");
    CHECK_FALSE(disk.exists("copy").value());
  }
  SUBCASE("at a link") {
    disk.fail(Verb::link, EIO, 2);
    CHECK_FALSE(log->copy_to("copy", nothing).has_value());
  }
  SUBCASE("at its last segment") {
    disk.fail(Verb::append, ENOSPC, 0, 1, "copy/log/events");
    CHECK_FALSE(log->copy_to("copy", nothing).has_value());
  }
  SUBCASE("at a sync") {
    disk.fail(Verb::sync, EIO, 0, 1, "copy/log/captured");
    CHECK_FALSE(log->copy_to("copy", nothing).has_value());
  }
  append_some(*log, LogName::events, 20, 5);
  CHECK(events_of(read_all(*log, LogName::events)).size() == 25);
  CHECK(
      log->trim(LogName::events, {.older_than = {}, .bytes_max = 0, .before_sequence = 20, .keep_from = {}}).value().events >
      0);
}

TEST_CASE("whichever call of a copy fails, it says which, and the next copy is whole") {
  for (const int error : {EIO, ENOSPC}) {
    for (int calls = 0;; ++calls) {
      CAPTURE(calls);
      MemoryDisk disk;
      const auto log = open(disk, "data");
      append_some(*log, LogName::events, 0, 20);
      append_some(*log, LogName::captured, 0, 5);
      disk.fail(Verb::any, error, calls);
      const auto copies = log->copy_to("failed", nothing);
      disk.fail_no_more();
      must_copy(disk, *log);
      CHECK(events_of(read_all(*open(disk, "copy"), LogName::events)).size() == 20);
      CHECK(events_of(read_all(*open(disk, "copy"), LogName::captured)).size() == 5);
      if (copies) {
        CHECK(calls > 10);
        break;
      }
      CHECK(copies.error().message.find("injected: ") != std::string::npos);
    }
  }
}

}  // namespace penstock::logs::local
