// Seeking while retention removes what is looked at.

#include "connectors/logs/local/seek.h"

#include <doctest/doctest.h>

#include "connectors/logs/local/local_log.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::local {
namespace {

using conformance::append_and_wait;
using conformance::sample_record;

constexpr auto kEvents = LogName::events;

// A disk in memory that does something before it opens a file for reading.
class WatchedDisk final : public Disk {
 public:
  Result<void> create_directories(const std::string& path) override { return disk.create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return disk.list(directory); }
  Result<bool> exists(const std::string& path) override { return disk.exists(path); }
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override { return disk.open_append(path); }
  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    if (auto act = std::exchange(before_read, nullptr)) act();
    return disk.open_read(path);
  }
  Result<std::string> read_all(const std::string& path) override { return disk.read_all(path); }
  Result<void> write_atomically(const std::string& path, std::string_view content) override {
    return disk.write_atomically(path, content);
  }
  Result<void> remove(const std::string& path) override { return disk.remove(path); }
  Result<bool> link(const std::string& from, const std::string& to) override { return disk.link(from, to); }
  Result<void> sync_directory(const std::string& path) override { return disk.sync_directory(path); }
  Result<Space> space(const std::string& path) override { return disk.space(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return disk.lock(path); }

  fakes::MemoryDisk disk;
  std::function<void()> before_read;
};

}  // namespace

TEST_CASE("a time in a segment that retention removes meanwhile is at the beginning of what is kept") {
  WatchedDisk disk;
  fakes::ManualClock clock;
  const auto log = LocalLog::open({.folder = "data", .partitions = 2, .segment_bytes = 1_KiB}, disk, clock).value();
  for (int i = 0; i < 40; ++i) {
    append_and_wait(*log, kEvents, sample_record(0, i)).value();
    clock.advance(Duration{1000});
  }
  const Timestamp early{clock.now().ms - 38'000};
  CHECK(log->offsets_at(kEvents, early).value() == Offsets{2, 0});
  TrimLimits limits;
  limits.bytes_max = 2'000;
  limits.before_sequence = 40;
  disk.before_read = [&] { REQUIRE(log->trim(kEvents, limits).has_value()); };
  const auto offsets = log->offsets_at(kEvents, early);
  REQUIRE_MESSAGE(offsets.has_value(), (offsets ? "" : offsets.error().message));
  CHECK(*offsets == log->begin(kEvents));
  CHECK((*offsets)[0] > 2);
}

}  // namespace penstock::logs::local
