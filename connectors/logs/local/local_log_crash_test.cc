// What a log is after power cuts, failing disks and damaged files: nothing acknowledged is lost, nothing is half there, and
// damage is told, never skipped.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <random>

#include "connectors/logs/local/local_log.h"
#include "pipeline/base/checksum.h"
#include "pipeline/log/segment_format.h"
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

constexpr auto kEvents = LogName::events;
const std::string kSegment = "data/log/events/00000000000000000000.seg";
const std::string kFormat = "penstock-data 1\npartitions 2\n";
const std::size_t kHeader = log_format::segment_header_bytes(2);

Result<std::unique_ptr<LocalLog>> try_open(Disk& disk, Bytes segment_bytes = 64_MiB, Bytes group_max = 32_MiB) {
  static const fakes::ManualClock clock;
  return LocalLog::open({.folder = "data", .partitions = 2, .segment_bytes = segment_bytes, .group_max = group_max}, disk,
                        clock);
}

std::unique_ptr<LocalLog> must_open(Disk& disk, Bytes segment_bytes = 64_MiB, Bytes group_max = 32_MiB) {
  auto opened = try_open(disk, segment_bytes, group_max);
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  return *std::move(opened);
}

void append_some(Log& log, int first, int count) {
  for (int i = first; i < first + count; ++i) append_and_wait(log, kEvents, sample_record(0, i)).value();
}

// What is appended right after a refusal may be refused with it (log_writer.h), as a caller would see: it comes again.
Result<Appended> append_again(Log& log, const LogRecord& record) {
  for (;;) {
    auto appended = append_and_wait(log, kEvents, record);
    if (appended || appended.error().kind != ErrorKind::unavailable) return appended;
  }
}

// The first `count` events that append_some(0, …) wrote are there, and no others; and the log goes on from there.
void check_holds(Log& log, std::size_t count) {
  const auto events = events_of(read_all(log, kEvents));
  REQUIRE(events.size() == count);
  for (std::size_t i = 0; i < count; ++i) CHECK(events[i] == fmt::format(R"(0@{} {{"n":{}}})", i, i));
  const auto appended = append_again(log, sample_record(0, static_cast<int>(count)));
  REQUIRE(appended.has_value());
  CHECK(appended->sequence == count);
  CHECK(events_of(read_all(log, kEvents)).size() == count + 1);
}

struct SmallLog {
  std::string bytes;
  std::vector<std::size_t> ends;  // of each record, as acknowledged
};

SmallLog small_log(int records) {
  MemoryDisk disk;
  const auto log = must_open(disk);
  SmallLog small;
  for (int i = 0; i < records; ++i) {
    append_some(*log, i, 1);
    small.ends.push_back(disk.content(kSegment).size());
  }
  small.bytes = disk.content(kSegment);
  return small;
}

void put(MemoryDisk& disk, std::string segment) {
  disk.set_content("data/FORMAT", kFormat);
  disk.set_content(kSegment, std::move(segment));
}

TEST_CASE("cut at any byte, a log holds every acknowledged record and nothing half") {
  const SmallLog small = small_log(5);
  for (std::size_t cut = 0; cut <= small.bytes.size(); ++cut) {
    CAPTURE(cut);
    const auto whole = static_cast<std::size_t>(std::ranges::upper_bound(small.ends, cut) - small.ends.begin());
    for (const bool zeros : {false, true}) {
      if (zeros && cut < kHeader) continue;  // a header is synced before anything follows it
      MemoryDisk disk;
      put(disk, small.bytes.substr(0, cut) + std::string(zeros ? small.bytes.size() - cut : 0, '\0'));
      check_holds(*must_open(disk), whole);
      check_holds(*must_open(disk), whole + 1);
    }
  }
}

TEST_CASE("a flipped bit in acknowledged records is told with file and byte, never skipped") {
  const SmallLog small = small_log(4);
  for (std::size_t at = 0; at < small.bytes.size(); ++at) {
    CAPTURE(at);
    std::string damaged = small.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    MemoryDisk disk;
    put(disk, damaged);
    auto opened = try_open(disk);
    if (at >= small.ends[2]) {
      // Nothing follows the last record, so nothing proves that it had been synced.
      REQUIRE(opened.has_value());
      check_holds(**opened, 3);
      continue;
    }
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == ErrorKind::corrupt);
    CHECK(opened.error().message.find(kSegment + " at byte ") != std::string::npos);
    CHECK(disk.content(kSegment) == damaged);
  }
}

TEST_CASE("a flipped bit in a sealed segment is told when it is read") {
  MemoryDisk disk;
  append_some(*must_open(disk, 400_B), 0, 8);
  const std::string sound = disk.content(kSegment);
  for (std::size_t at = kHeader; at < sound.size(); at += 7) {
    CAPTURE(at);
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    disk.set_content(kSegment, damaged);
    const auto log = must_open(disk, 400_B);
    auto reader = log->read_from_sequence(kEvents, 0);
    REQUIRE(reader.has_value());
    Result<std::shared_ptr<const StoredRecord>> record;
    do {
      record = (*reader)->next();
    } while (record && *record);
    REQUIRE_FALSE(record.has_value());
    CHECK(record.error().kind == ErrorKind::corrupt);
    CHECK(record.error().message.find(kSegment) != std::string::npos);
    CHECK_FALSE((*reader)->next().has_value());
  }
}

TEST_CASE("missing, shortened and exchanged segments are refused at open") {
  MemoryDisk disk;
  append_some(*must_open(disk, 1_B), 0, 4);
  const auto path = [](std::uint64_t n) { return "data/log/events/" + log_format::segment_name(n); };
  std::string says;
  SUBCASE("missing") {
    CHECK(disk.remove(path(2)).has_value());
    says = log_format::segment_name(2) + ", is missing";
  }
  SUBCASE("shortened") {
    disk.set_content(path(1), disk.content(path(1)).substr(0, disk.content(path(1)).size() - 1));
    says = log_format::segment_name(1);
  }
  SUBCASE("exchanged") {
    disk.set_content(path(2), disk.content(path(1)));
    says = "starts with record 1";
  }
  SUBCASE("from the other log") {
    disk.set_content("data/log/captured/" + log_format::segment_name(0), disk.content(path(0)));
    says = "is a segment of events";
  }
  SUBCASE("the newest without its header") {
    disk.set_content(path(3), std::string(disk.content(path(3)).size(), '\0'));
    says = log_format::segment_name(3);
  }
  const auto opened = try_open(disk, 1_B);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::corrupt);
  CHECK_MESSAGE(opened.error().message.find(says) != std::string::npos, opened.error().message);
}

TEST_CASE("a record or segment of a newer version is refused as that") {
  SmallLog small = small_log(1);
  small.bytes[8 + 4] = 9;
  const std::uint64_t sum = checksum(std::string_view(small.bytes).substr(8, kHeader - 8));
  std::memcpy(small.bytes.data(), &sum, sizeof sum);
  MemoryDisk disk;
  put(disk, small.bytes);
  const auto opened = try_open(disk);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::conflict);
  CHECK(opened.error().message.find("version 9") != std::string::npos);
}

// Appends, then cuts the power while a write of several records is not synced.
void power_cut(std::uint64_t seed, MemoryDisk::Unsynced keep) {
  std::mt19937_64 random(seed);
  const Bytes segment_bytes{random() % 2 == 0 ? 300U : 3000U};
  MemoryDisk disk;
  const auto log = must_open(disk, segment_bytes);
  int written = static_cast<int>(random() % 6);
  append_some(*log, 0, written);
  disk.hold_syncs();
  std::vector<std::future<bool>> answers;
  const auto append = [&](int count) {
    for (int i = 0; i < count; ++i) {
      auto answered = std::make_shared<std::promise<bool>>();
      answers.push_back(answered->get_future());
      log->append(kEvents, sample_record(0, written++),
                  [answered](const Result<Appended>& r) { answered->set_value(r.has_value()); });
    }
  };
  append(1);
  disk.wait_for_held_sync();
  append(static_cast<int>(random() % 5));
  // One sync ends the write before, or makes a new segment; with more queued, another is sure to follow it.
  const std::uint64_t syncs = answers.size() > 1 ? random() % 3 : 0;
  for (std::uint64_t i = 0; i < syncs; ++i) {
    if (i > 0) disk.wait_for_held_sync();
    disk.release_one_sync();
  }
  const auto acknowledged = log->next_sequence(kEvents);
  const auto after = disk.crash(seed, keep);
  disk.release_syncs();
  log->close();

  const auto reopened = must_open(*after, segment_bytes);
  const auto kept = events_of(read_all(*reopened, kEvents)).size();
  CHECK(kept >= acknowledged);
  CHECK(kept <= static_cast<std::size_t>(written));
  check_holds(*reopened, kept);
  check_holds(*must_open(*after->crash(seed, MemoryDisk::Unsynced::lost), segment_bytes), kept + 1);
}

TEST_CASE("a trim that fails or is cut short leaves a log without gaps") {
  constexpr int kRecords = 30;
  for (const auto verb : {MemoryDisk::Verb::remove, MemoryDisk::Verb::sync_directory}) {
    for (int skip = 0; skip < 12; ++skip) {
      CAPTURE(skip);
      MemoryDisk disk;
      auto log = must_open(disk, 300_B);
      append_some(*log, 0, kRecords);
      disk.fail(verb, EIO, skip);
      const auto trimmed = log->trim(kEvents, {.older_than = {}, .bytes_max = 0, .before_sequence = 8, .keep_from = {}});
      if (!trimmed) CHECK(trimmed.error().message.starts_with("retention: "));
      disk.fail_no_more();
      const auto readable = [](Log& of) {
        const auto reader = of.read(kEvents, of.begin(kEvents));
        REQUIRE(reader.has_value());
        return conformance::read_to_end(**reader).back()->sequence;
      };
      CHECK(readable(*log) == kRecords - 1);
      for (const auto keep : {MemoryDisk::Unsynced::lost, MemoryDisk::Unsynced::prefix}) {
        const auto after = disk.crash(static_cast<std::uint64_t>(skip), keep);
        CHECK(readable(*must_open(*after, 300_B)) == kRecords - 1);
      }
    }
  }
}

TEST_CASE("nothing more is removed while a power cut may bring back what was removed last") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    MemoryDisk disk;
    auto log = must_open(disk, 300_B);
    append_some(*log, 0, 30);
    const TrimLimits everything{.older_than = {}, .bytes_max = 0, .before_sequence = 8, .keep_from = {}};
    disk.fail(MemoryDisk::Verb::sync_directory, EIO, 0, 3);
    for (int tries = 0; tries < 3; ++tries) CHECK_FALSE(log->trim(kEvents, everything));
    must_open(*disk.crash(seed), 300_B);
    CHECK(log->trim(kEvents, everything));
    must_open(*disk.crash(seed), 300_B);
  }
}

TEST_CASE("after a power cut a log opens and holds what was acknowledged") {
  const std::uint64_t base = std::random_device{}();
  for (std::uint64_t seed = base; seed < base + 60; ++seed) {
    for (const auto keep : {MemoryDisk::Unsynced::lost, MemoryDisk::Unsynced::prefix, MemoryDisk::Unsynced::scattered}) {
      CAPTURE(seed);
      CAPTURE(static_cast<int>(keep));
      power_cut(seed, keep);
    }
  }
}

TEST_CASE("what is shown after kill -9 survives a power cut that follows") {
  const SmallLog small = small_log(3);
  MemoryDisk disk;
  put(disk, small.bytes.substr(0, small.ends[0]));
  // Written, but killed before the sync: the system still has it.
  CHECK(disk.open_append(kSegment).value()->append(std::string_view(small.bytes).substr(small.ends[0])).has_value());
  const auto log = must_open(disk);
  CHECK(events_of(read_all(*log, kEvents)).size() == 3);
  check_holds(*must_open(*disk.crash(1, MemoryDisk::Unsynced::lost)), 3);
}

TEST_CASE("a failed sync stays: nothing later is accepted, nothing of it is seen") {
  MemoryDisk disk;
  const auto log = must_open(disk);
  append_some(*log, 0, 2);
  disk.fail(Verb::sync, EIO);
  for (int i = 0; i < 3; ++i) {
    const auto refused = append_and_wait(*log, i == 1 ? LogName::captured : kEvents, sample_record(0, 2));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::io);
  }
  REQUIRE(log->failure().has_value());
  CHECK(log->failure()->message.find("Input/output error") != std::string::npos);
  CHECK(events_of(read_all(*log, kEvents)).size() == 2);
  check_holds(*must_open(*disk.crash(1, MemoryDisk::Unsynced::lost)), 2);
}

TEST_CASE("a full disk refuses, and once there is room the log goes on") {
  for (const Bytes segment_bytes : {64_MiB, 1_B}) {  // no room for the record; no room for the next segment
    MemoryDisk disk;
    const auto log = must_open(disk, segment_bytes);
    append_some(*log, 0, 3);
    const std::uint64_t used = disk.content(kSegment).size();
    for (std::uint64_t room = 0; room < used; room += 13) {
      std::uint64_t total = 0;
      for (const char* name : {"captured", "events"}) {
        const std::string folder = std::string("data/log/") + name;
        const auto files = disk.list(folder).value();
        for (const auto& file : files) total += disk.content(folder + "/" + file).size();
      }
      disk.set_capacity(total + std::min<std::uint64_t>(room, 100));
      const auto refused = append_and_wait(*log, kEvents, sample_record(0, 3));
      REQUIRE_FALSE(refused.has_value());
      CHECK(refused.error().kind == ErrorKind::unavailable);
      CHECK(refused.error().message.find("No space left on device") != std::string::npos);
      CHECK_FALSE(log->failure().has_value());
    }
    disk.set_capacity(~0ULL);
    check_holds(*log, 3);
    check_holds(*must_open(*disk.crash(1, MemoryDisk::Unsynced::lost), segment_bytes), 4);
  }
}

TEST_CASE("a write that fails and cannot be cut back ends the log's promises") {
  MemoryDisk disk;
  const auto log = must_open(disk);
  append_some(*log, 0, 2);
  disk.fail(Verb::append, ENOSPC);
  disk.fail(Verb::truncate, EIO);
  CHECK_FALSE(append_and_wait(*log, kEvents, sample_record(0, 2)).has_value());
  CHECK(log->failure().has_value());
  CHECK_FALSE(append_and_wait(*log, kEvents, sample_record(0, 2)).has_value());
  check_holds(*must_open(*disk.crash(1, MemoryDisk::Unsynced::prefix)), 2);
}

TEST_CASE("what was queued behind a refused write is refused too, so that no record overtakes another") {
  MemoryDisk disk;
  const auto log = must_open(disk, 64_MiB, 1_B);  // every record is a write of its own
  disk.hold_syncs();
  std::vector<std::promise<bool>> accepted(3);
  const auto append = [&](std::size_t i) {
    log->append(kEvents, sample_record(0, static_cast<int>(i)),
                [&, i](const Result<Appended>& r) { accepted[i].set_value(r.has_value()); });
  };
  append(0);
  disk.wait_for_held_sync();
  disk.fail(Verb::append, ENOSPC);  // once: the third could be written
  append(1);
  append(2);
  disk.release_syncs();
  CHECK(accepted[0].get_future().get());
  CHECK_FALSE(accepted[1].get_future().get());
  CHECK_FALSE(accepted[2].get_future().get());
  Result<Appended> again;
  do {  // the log may still be refusing what came behind
    again = append_and_wait(*log, kEvents, sample_record(0, 1));
  } while (!again && again.error().kind == ErrorKind::unavailable);
  REQUIRE(again.has_value());
  CHECK(again->sequence == 1);
  check_holds(*log, 2);
}

TEST_CASE("an index that cannot be written harms nothing") {
  MemoryDisk disk;
  const auto log = must_open(disk, 1_B);
  disk.fail(Verb::write_atomically, ENOSPC, 0, 1000, ".idx");
  append_some(*log, 0, 4);
  check_holds(*log, 4);
}

}  // namespace
}  // namespace penstock::logs::local
