// Every damaged place of a log, not only the first.
#include "connectors/logs/local/damage_list.h"

#include <doctest/doctest.h>

#include "connectors/logs/local/local_log.h"
#include "tests/conformance/log_conformance.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::local {
namespace {

const std::string kFolder = "data/log/events";

struct Filled {
  // Records of one event each, in segments of three.
  explicit Filled(int records) {
    auto log = LocalLog::open({.folder = "data", .partitions = 2, .segment_bytes = Bytes{500}}, disk, clock);
    for (int i = 0; i < records; ++i) {
      conformance::append_and_wait(**log, LogName::events, conformance::sample_record(i % 2, i)).value();
    }
    (*log)->close();
    const auto names = disk.list(kFolder).value();
    for (const auto& name : names)
      if (name.ends_with(".seg")) segments.push_back(kFolder + "/" + name);
  }
  void flip(std::size_t segment, std::size_t from_end) {
    std::string bytes = disk.content(segments.at(segment));
    bytes.at(bytes.size() - from_end) = static_cast<char>(bytes.at(bytes.size() - from_end) ^ 0x10);
    disk.set_content(segments.at(segment), std::move(bytes));
  }
  DamageList damage(std::size_t most = 20) { return list_damage(disk, kFolder, LogName::events, 2, most).value(); }

  fakes::MemoryDisk disk;
  fakes::ManualClock clock;
  std::vector<std::string> segments;
};

}  // namespace

TEST_CASE("every damaged place of every segment is listed, up to a bound") {
  Filled log(30);
  REQUIRE(log.segments.size() >= 5);
  CHECK(log.damage().count() == 0);
  log.flip(0, 1);  // the last byte of its last record
  const std::size_t middle = log.disk.content(log.segments[2]).size() / 2;
  log.flip(2, middle);
  log.flip(2, 1);
  log.flip(3, log.disk.content(log.segments[3]).size() - 3);  // the header
  const DamageList found = log.damage();
  REQUIRE(found.count() == 4);
  CHECK(found.records == 27);  // three are damaged
  CHECK(found.events == 27);
  CHECK(found.places[0].starts_with(log.segments[0] + " at byte "));
  CHECK(found.places[1].starts_with(log.segments[2] + " at byte "));
  CHECK(found.places[2].starts_with(log.segments[2] + " at byte "));
  CHECK(found.places[3].starts_with(log.segments[3] + " at byte 0: "));
  const DamageList bounded = log.damage(2);
  CHECK(bounded.places.size() == 2);
  CHECK(bounded.more == 2);
}

TEST_CASE("a file that was cut, and one that is gone, are listed where the next says so") {
  Filled log(30);
  std::string bytes = log.disk.content(log.segments[0]);
  log.disk.set_content(log.segments[0], bytes.substr(0, bytes.size() - 10));
  REQUIRE(log.disk.remove(log.segments[2]).has_value());
  const DamageList found = log.damage();
  REQUIRE(found.count() == 3);
  CHECK(found.places[0].find("bytes are no whole record") != std::string::npos);
  CHECK(found.places[1].find("the file ends, but had") != std::string::npos);
  CHECK(found.places[2].find("is missing") != std::string::npos);
}

}  // namespace penstock::logs::local
