// De-duplication over a local log with damaged bytes: a start goes on, with what stands before them and behind the next entry of an index.
#include <doctest/doctest.h>

#include "connectors/logs/local/local_log.h"
#include "pipeline/ingest/remember_uuids.h"
#include "tests/conformance/log_conformance.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::topology {
namespace {

const std::string kFolder = "data/log/events";

struct Folder {
  explicit Folder(int records) {
    const auto log = open();
    for (int i = 0; i < records; ++i) {
      clock.advance(Duration{1000});
      conformance::append_and_wait(*log, LogName::events, conformance::sample_record(i % 2, i)).value();
    }
    log->close();
    const auto names = disk.list(kFolder).value();
    for (const auto& name : names)
      if (name.ends_with(".seg")) segments.push_back(kFolder + "/" + name);
  }
  std::unique_ptr<logs::local::LocalLog> open() {
    return logs::local::LocalLog::open({.folder = "data", .partitions = 2, .segment_bytes = Bytes{1500}}, disk, clock)
        .value();
  }
  void flip(std::size_t segment) {
    std::string bytes = disk.content(segments.at(segment));
    char& byte = bytes.at(bytes.size() / 2);
    byte = static_cast<char>(byte ^ 0x10);
    disk.set_content(segments.at(segment), std::move(bytes));
  }
  std::size_t remembered() {
    const auto log = open();
    ingest::SeenUuids seen{{}};
    REQUIRE(ingest::remember_uuids(seen, *log, clock));
    return seen.size();
  }

  fakes::MemoryDisk disk;
  fakes::ManualClock clock;
  std::vector<std::string> segments;
};

}  // namespace

TEST_CASE("damage within the time of de-duplication costs the rest of a stretch, not the start") {
  Folder folder(60);
  REQUIRE(folder.segments.size() > 4);
  REQUIRE(folder.remembered() == 60);
  folder.flip(1);
  folder.flip(3);
  const std::size_t some = folder.remembered();
  CHECK(some < 60);
  CHECK(some >= 40);
}

}  // namespace penstock::topology
