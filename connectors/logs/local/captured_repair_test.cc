// What `captured` is after a repair: every whole record that ingest has not read, under its own number, and what is lost is counted.

#include "connectors/logs/local/captured_repair.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cerrno>

#include "connectors/logs/local/local_log.h"
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
using Positions = std::vector<std::uint64_t>;

constexpr auto kCaptured = LogName::captured;
const std::string kFolder = "data/log/captured";
const std::string kFirst = kFolder + "/00000000000000000000.seg";

Result<std::unique_ptr<LocalLog>> try_open(Disk& disk, Bytes segment_bytes = 64_MiB) {
  static const fakes::ManualClock clock;
  return LocalLog::open({.folder = "data", .partitions = 2, .segment_bytes = segment_bytes}, disk, clock);
}

std::unique_ptr<LocalLog> must_open(Disk& disk, Bytes segment_bytes = 64_MiB) {
  auto opened = try_open(disk, segment_bytes);
  REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  return *std::move(opened);
}

// One event a record, in the partitions by turns; `ends` of each in the first segment.
std::vector<std::size_t> fill(MemoryDisk& disk, int records, Bytes segment_bytes = 64_MiB) {
  const auto log = must_open(disk, segment_bytes);
  std::vector<std::size_t> ends;
  for (int i = 0; i < records; ++i) {
    append_and_wait(*log, kCaptured, sample_record(i % 2, i)).value();
    ends.push_back(disk.content(kFirst).size());
  }
  return ends;
}

void flip(MemoryDisk& disk, const std::string& path, std::size_t at) {
  std::string bytes = disk.content(path);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x10);
  disk.set_content(path, std::move(bytes));
}

CapturedRepair must_repair(Disk& disk, const Positions& positions) {
  auto repaired = repair_captured(disk, kFolder, positions, Timestamp{5000});
  REQUIRE_MESSAGE(repaired.has_value(), (repaired ? "" : repaired.error().message));
  return *std::move(repaired);
}

// "7:{"n":7}": what a record still holds for a partition that reads it, by its number.
std::vector<std::string> needed(Disk& disk, const Positions& positions) {
  const auto log = must_open(disk);
  std::vector<std::string> all;
  const auto reader = log->read_from_sequence(kCaptured, std::ranges::min(positions)).value();
  for (const auto& record : conformance::read_to_end(*reader)) {
    for (const auto& chunk : record->chunks) {
      if (record->sequence < positions.at(static_cast<std::size_t>(chunk->partition()))) continue;
      all.push_back(fmt::format("{}:{}", record->sequence, chunk->body(0).value()));
    }
  }
  return all;
}

std::vector<std::string> expected(int first, int end, int without) {
  std::vector<std::string> all;
  for (int n = first; n < end; ++n)
    if (n != without) all.push_back(fmt::format(R"({}:{{"n":{}}})", n, n));
  return all;
}

}  // namespace

TEST_CASE("damage in captured is told with the command that goes on") {
  MemoryDisk disk;
  const auto ends = fill(disk, 5);
  flip(disk, kFirst, ends[1] + 60);
  const auto opened = try_open(disk);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::corrupt);
  CHECK_MESSAGE(opened.error().message.find("`penstock doctor --repair data`") != std::string::npos, opened.error().message);
  CHECK(opened.error().message.find(kFirst + " at byte ") != std::string::npos);
}

TEST_CASE("whichever byte is flipped, a repair keeps all other records that ingest needs, and counts") {
  MemoryDisk sound;
  const auto ends = fill(sound, 6);
  for (const std::uint64_t read : {0U, 3U}) {
    for (std::size_t at = 0; at < ends[4]; at += 3) {
      CAPTURE(at);
      CAPTURE(read);
      MemoryDisk disk;
      disk.set_content("data/FORMAT", "penstock-data 1\npartitions 2\n");
      disk.set_content(kFirst, sound.content(kFirst));
      flip(disk, kFirst, at);
      const Positions positions{read, read};
      const CapturedRepair repair = must_repair(disk, positions);
      const bool in_header = at < log_format::segment_header_bytes(2);
      const auto hit = in_header ? -1 : static_cast<int>(std::ranges::upper_bound(ends, at) - ends.begin());
      CHECK(needed(disk, positions) == expected(static_cast<int>(read), 6, hit));
      const bool lost = hit >= static_cast<int>(read);
      CHECK(repair.lost_records == (lost ? 1U : 0U));
      CHECK(repair.kept_records == 6 - read - (lost ? 1U : 0U));
      CHECK_FALSE(repair.damage.empty());
      CHECK(repair.end_is_known);
      CHECK(repair.set_aside == std::vector<std::string>{kFirst + ".damaged"});
      CHECK(must_repair(disk, positions).was_whole);
    }
  }
}

TEST_CASE("records that went with the end of the log are not used again for others") {
  MemoryDisk disk;
  const auto ends = fill(disk, 6);
  disk.set_content(kFirst, disk.content(kFirst).substr(0, ends[3]));
  const Positions read_all_six{6, 6};
  const CapturedRepair repair = must_repair(disk, read_all_six);
  CHECK(repair.lost_records == 0);
  CHECK(repair.kept_records == 0);
  CHECK_FALSE(repair.end_is_known);
  const auto log = must_open(disk);
  CHECK(log->next_sequence(kCaptured) == 6);
  CHECK(append_and_wait(*log, kCaptured, sample_record(0, 6)).value().sequence == 6);
  CHECK(log->read_from_sequence(kCaptured, 6).has_value());
}

TEST_CASE("bytes behind the newest whole record are told, since nobody can count what they held") {
  MemoryDisk disk;
  fill(disk, 6, 300_B);
  const auto names = disk.list(kFolder).value();
  std::vector<std::string> segments;
  for (const auto& name : names)
    if (name.ends_with(".seg")) segments.push_back(kFolder + "/" + name);
  REQUIRE(segments.size() >= 3);
  const Positions positions{1, 0};
  std::uint64_t bytes = 0, files = 0;
  SUBCASE("the newest files are zeros") { files = 2; }
  SUBCASE("the newest file is zeros") { files = 1; }
  for (std::size_t i = segments.size() - files; i < segments.size(); ++i) {
    const std::size_t size = disk.content(segments[i]).size();
    bytes += size - log_format::segment_header_bytes(2);
    disk.set_content(segments[i], std::string(size, '\0'));
  }
  const CapturedRepair repair = must_repair(disk, positions);
  CHECK(repair.lost_records == 0);
  CHECK_FALSE(repair.end_is_known);
  CHECK(repair.end == repair.kept_records);
  CHECK(repair.end_bytes == bytes);
  CHECK(repair.end_files == files);
  for (const auto& damage : repair.damage) CHECK_MESSAGE(damage.find("doctor") == std::string::npos, damage);
}

TEST_CASE("what opening cuts off as the rest of a write is told too, when it was damage") {
  MemoryDisk disk;
  const auto ends = fill(disk, 6);
  const std::string content = disk.content(kFirst);
  disk.set_content(kFirst, content.substr(0, ends[2]) + std::string(content.size() - ends[2], '\0'));
  const Positions positions{5, 5};
  SUBCASE("records that were read are in it") {
    const CapturedRepair repair = must_repair(disk, positions);
    CHECK_FALSE(repair.was_whole);
    CHECK_FALSE(repair.end_is_known);
    CHECK(repair.end == 5);
    CHECK(repair.end_bytes == content.size() - ends[2]);
  }
  SUBCASE("none are") {
    const CapturedRepair repair = must_repair(disk, {3, 3});
    CHECK(repair.was_whole);
    CHECK(repair.end_bytes == content.size() - ends[2]);
  }
}

TEST_CASE("of a log that is gone nobody can tell the end") {
  MemoryDisk disk;
  fill(disk, 6);
  CHECK(disk.remove(kFirst).has_value());
  const CapturedRepair repair = must_repair(disk, {5, 4});
  CHECK(repair.lost_records == 1);
  CHECK_FALSE(repair.end_is_known);
  CHECK(repair.end == 5);
  CHECK(repair.end_bytes == 0);
}

TEST_CASE("what one partition has read and another has not comes again for the other only") {
  MemoryDisk disk;
  const auto ends = fill(disk, 6);
  flip(disk, kFirst, ends[2] + 60);
  const Positions positions{5, 2};
  const CapturedRepair repair = must_repair(disk, positions);
  CHECK(repair.lost_records == 1);
  CHECK(repair.lost_events == 1);
  CHECK(needed(disk, positions) == std::vector<std::string>{R"(5:{"n":5})"});
  CHECK(must_open(disk)->next_sequence(kCaptured) == 6);
}

TEST_CASE("a missing, a shortened and a foreign segment") {
  MemoryDisk disk;
  fill(disk, 5, 1_B);
  const auto path = [](std::uint64_t n) { return kFolder + "/" + log_format::segment_name(n); };
  SUBCASE("missing") { CHECK(disk.remove(path(2)).has_value()); }
  SUBCASE("shortened") { disk.set_content(path(2), disk.content(path(2)).substr(0, disk.content(path(2)).size() - 1)); }
  SUBCASE("of another place") { disk.set_content(path(2), disk.content(path(1))); }
  SUBCASE("of the other log") { disk.set_content(path(2), disk.content("data/log/events/" + log_format::segment_name(0))); }
  REQUIRE_FALSE(try_open(disk).has_value());
  const Positions positions{1, 1};
  CHECK(must_repair(disk, positions).lost_records == 1);
  CHECK(needed(disk, positions) == expected(1, 5, 2));
}

TEST_CASE("what is whole is not touched") {
  MemoryDisk disk;
  fill(disk, 4, 300_B);
  const auto before = read_all(*must_open(disk), kCaptured).size();
  const int written = disk.calls(Verb::link);
  CHECK(must_repair(disk, {4, 2}).was_whole);
  CHECK(disk.calls(Verb::link) == written);
  CHECK(read_all(*must_open(disk), kCaptured).size() == before);
}

TEST_CASE("a repair that fails or is killed at any step is finished by the next") {
  const Positions positions{2, 2};
  for (const int error : {EIO, ENOSPC}) {
    for (int skip = 0;; ++skip) {
      CAPTURE(error);
      CAPTURE(skip);
      MemoryDisk disk;
      fill(disk, 6, 300_B);
      flip(disk, kFirst, 200);
      disk.fail(Verb::any, error, skip);
      const auto first = repair_captured(disk, kFolder, positions, Timestamp{5000});
      disk.fail_no_more();
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        CAPTURE(seed);
        const auto after = disk.crash(seed);
        const auto second = must_repair(*after, positions);
        CHECK(needed(*after, positions) == expected(2, 6, -1));
        CHECK((second.was_interrupted || second.was_whole || second.kept_records == 4));
      }
      if (first) {
        CHECK(skip > 30);
        break;
      }
      CHECK(first.error().message.find("injected: ") != std::string::npos);
    }
  }
}

TEST_CASE("a second repair leaves what the first set aside") {
  MemoryDisk disk;
  const auto ends = fill(disk, 6);
  flip(disk, kFirst, ends[1] + 60);
  const std::string first = disk.content(kFirst);
  CHECK(must_repair(disk, {0, 0}).set_aside == std::vector<std::string>{kFirst + ".damaged"});
  flip(disk, kFirst, disk.content(kFirst).size() / 2);
  const std::string second = disk.content(kFirst);
  CHECK(must_repair(disk, {0, 0}).set_aside == std::vector<std::string>{kFirst + ".damaged.2"});
  CHECK(disk.content(kFirst + ".damaged") == first);
  CHECK(disk.content(kFirst + ".damaged.2") == second);
}

TEST_CASE("where files cannot have two names nothing is removed, wherever the repair had come to") {
  MemoryDisk disk;
  const auto ends = fill(disk, 6);
  flip(disk, kFirst, ends[1] + 60);
  const std::string before = disk.content(kFirst);
  // The new segment is complete when the repair is interrupted, and then the folder is moved to another file system.
  disk.fail(Verb::link, EIO, 1);
  REQUIRE_FALSE(repair_captured(disk, kFolder, Positions{0, 0}, Timestamp{5000}).has_value());
  const std::string repaired = disk.content(kFirst + ".repaired");
  disk.refuse_links();
  const auto refused = repair_captured(disk, kFolder, Positions{0, 0}, Timestamp{5000});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::io);
  CHECK(refused.error().message.find("has no hard links") != std::string::npos);
  CHECK(disk.content(kFirst) == before);
  CHECK(disk.content(kFirst + ".repaired") == repaired);
}

}  // namespace penstock::logs::local
