// The promises of every log, on the real disk and on the one in memory, with ordinary and with tiny segments.

#include "connectors/logs/local/local_log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "pipeline/ports/posix_disk.h"
#include "tests/conformance/log_conformance.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::local {
namespace {

using conformance::append_and_wait;
using conformance::sample_record;
using fakes::MemoryDisk;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-log-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class LocalHarness : public conformance::LogHarness {
 public:
  LocalHarness(Disk& disk, std::string folder, Bytes segment_bytes)
      : disk_(disk),
        options_{.folder = std::move(folder), .partitions = conformance::kPartitions, .segment_bytes = segment_bytes} {
    reopen();
  }
  Log& log() override { return *log_; }
  void reopen() override {
    log_.reset();
    auto opened = LocalLog::open(options_, disk_, clock_);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    log_ = *std::move(opened);
  }

 private:
  Disk& disk_;
  LocalLogOptions options_;
  fakes::ManualClock clock_;
  std::unique_ptr<LocalLog> log_;
};

class OnDisk final : public conformance::LogHarness {
 public:
  explicit OnDisk(Bytes segment_bytes) : harness_(posix_disk(), folder_.path() + "/data", segment_bytes) {}
  Log& log() override { return harness_.log(); }
  void reopen() override { harness_.reopen(); }

 private:
  TemporaryFolder folder_;
  LocalHarness harness_;
};

class InMemory final : public conformance::LogHarness {
 public:
  explicit InMemory(Bytes segment_bytes) : harness_(disk_, "data", segment_bytes) {}
  ~InMemory() override { disk_.release_syncs(); }
  Log& log() override { return harness_.log(); }
  void reopen() override { harness_.reopen(); }
  bool hold_back() override {
    disk_.hold_syncs();
    return true;
  }
  void wait_until_held() override { disk_.wait_for_held_sync(); }
  void let_go() override { disk_.release_syncs(); }

 private:
  MemoryDisk disk_;
  LocalHarness harness_;
};

TEST_CASE("local log, real disk: every log's promises") {
  conformance::log_conformance([] { return std::make_unique<OnDisk>(64_MiB); });
}
TEST_CASE("local log, memory disk: every log's promises") {
  conformance::log_conformance([] { return std::make_unique<InMemory>(64_MiB); });
}
TEST_CASE("local log, a segment per record: every log's promises") {
  conformance::log_conformance([] { return std::make_unique<InMemory>(1_B); });
}

TEST_CASE("a second process is told who has the folder") {
  const TemporaryFolder folder;
  fakes::ManualClock clock;
  const auto first = LocalLog::open({.folder = folder.path()}, posix_disk(), clock);
  REQUIRE(first.has_value());
  const auto second = LocalLog::open({.folder = folder.path()}, posix_disk(), clock);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().kind == ErrorKind::conflict);
  CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("a reader seeks by the index, into sealed segments too, with the index file there, damaged or gone") {
  MemoryDisk disk;
  LocalHarness harness(disk, "data", 600_KiB);
  for (int i = 0; i < 3000; ++i) {
    LogRecord record = sample_record(i % 2, i);
    record.state = {{"filler", std::to_string(i), std::string(700, 'x'), false, {}}};
    harness.log().append(LogName::events, std::move(record), [](const Result<Appended>&) {});
  }
  append_and_wait(harness.log(), LogName::events, sample_record(2, 3000)).value();
  const std::string first_index = "data/log/events/00000000000000000000.idx";
  REQUIRE(disk.exists(first_index).value());
  SUBCASE("there") {}
  SUBCASE("damaged") { disk.set_content(first_index, disk.content(first_index) + "x"); }
  SUBCASE("gone") { CHECK(disk.remove(first_index).has_value()); }
  for (const std::uint64_t start : {0U, 1U, 370U, 700U, 1400U, 1500U}) {
    const int reads = disk.calls(MemoryDisk::Verb::read);
    auto reader = harness.log().read(LogName::events, {start, start, 0});
    REQUIRE(reader.has_value());
    const auto record = (*reader)->next();
    REQUIRE(record.has_value());
    CHECK((*record)->sequence == 2 * start);
    CHECK(disk.calls(MemoryDisk::Verb::read) - reads <= 5);
  }
  CHECK(disk.exists(first_index).value());
}

TEST_CASE("a reader that has read a segment to its end goes on when retention has taken it") {
  MemoryDisk disk;
  LocalHarness harness(disk, "data", 1_B);
  Log& log = harness.log();
  append_and_wait(log, LogName::captured, sample_record(0, 1)).value();
  const auto reader = log.read_from_sequence(LogName::captured, 0).value();
  REQUIRE(conformance::read_to_end(*reader).size() == 1);
  append_and_wait(log, LogName::captured, sample_record(0, 2)).value();
  append_and_wait(log, LogName::captured, sample_record(0, 3)).value();
  const TrimLimits read{.older_than = {}, .bytes_max = 0, .before_sequence = 1, .keep_from = {}};
  REQUIRE(log.trim(LogName::captured, read).value().events == 1);
  CHECK(conformance::read_to_end(*reader).size() == 2);
}

TEST_CASE("a reader that has not begun goes on when retention has taken only what it would pass over") {
  MemoryDisk disk;
  LocalHarness harness(disk, "data", 1_B);
  Log& log = harness.log();
  for (int n = 1; n <= 3; ++n) append_and_wait(log, LogName::captured, sample_record(0, n)).value();
  const auto at_the_end = log.read_from_sequence(LogName::captured, 3).value();
  const auto within = log.read_from_sequence(LogName::captured, 1).value();
  for (int n = 4; n <= 5; ++n) append_and_wait(log, LogName::captured, sample_record(0, n)).value();
  const TrimLimits read{.older_than = {}, .bytes_max = 0, .before_sequence = 3, .keep_from = {}};
  REQUIRE(log.trim(LogName::captured, read).value().events > 0);
  CHECK(conformance::read_to_end(*at_the_end).size() == 2);
  const auto lost = within->next();
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().kind == ErrorKind::not_found);
}

TEST_CASE("a log without threads writes when it is told to, and at its end") {
  MemoryDisk disk;
  fakes::ManualClock clock;
  const auto log = LocalLog::open({.folder = "data", .own_threads = false}, disk, clock).value();
  int answers = 0;
  const auto append = [&](int n) {
    log->append(LogName::events, sample_record(0, n), [&](const Result<Appended>& done) { answers += done ? 1 : 0; });
  };
  append(1);
  append(2);
  CHECK(log->queued(LogName::events) == 2);
  CHECK(answers == 0);
  CHECK(log->write_queued(LogName::events));
  CHECK(answers == 2);
  CHECK_FALSE(log->write_queued(LogName::events));
  append(3);
  log->close();
  CHECK(answers == 3);
  CHECK(conformance::read_all(*log, LogName::events).size() == 3);
}

TEST_CASE("append times never go back, whatever the clock does") {
  MemoryDisk disk;
  fakes::ManualClock clock;
  const auto log = LocalLog::open({.folder = "data"}, disk, clock).value();
  append_and_wait(*log, LogName::events, sample_record(0, 1)).value();
  clock.advance(Duration{-5000});
  append_and_wait(*log, LogName::events, sample_record(0, 2)).value();
  const auto records = conformance::read_all(*log, LogName::events);
  CHECK(records[0]->appended_at == records[1]->appended_at);
}

TEST_CASE("FORMAT decides whether a folder may be opened") {
  struct Case {
    const char* format;  // null: missing
    ErrorKind kind;
    const char* says;
  };
  for (const Case& c :
       {Case{nullptr, ErrorKind::corrupt, "is missing"}, Case{"", ErrorKind::corrupt, "is empty"},
        Case{"\x01\x02", ErrorKind::corrupt, "is unreadable"},
        Case{"penstock-data 1\n", ErrorKind::corrupt, "names no number of partitions"},
        Case{"penstock-data 1\npartitions 0\n", ErrorKind::corrupt, "names no number of partitions"},
        Case{"penstock-data 7\nshards 3\n", ErrorKind::conflict, "version 7, but this program knows version 1"},
        Case{"penstock-data 0\npartitions 16\n", ErrorKind::invalid, "cannot upgrade"},
        Case{"penstock-data 1\npartitions 8\n", ErrorKind::invalid, "set 8"}}) {
    MemoryDisk disk;
    fakes::ManualClock clock;
    disk.set_content("data/log/events/00000000000000000000.seg", "");
    if (c.format != nullptr) disk.set_content("data/FORMAT", c.format);
    const auto opened = LocalLog::open({.folder = "data", .partitions = 16}, disk, clock);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == c.kind);
    CHECK_MESSAGE(opened.error().message.find(c.says) != std::string::npos, opened.error().message);
    CHECK(opened.error().message.find("data/FORMAT") != std::string::npos);
  }
}

TEST_CASE("what is stopped is opened only where there is some, and nothing is made") {
  MemoryDisk disk;
  fakes::ManualClock clock;
  const auto nothing = LocalLog::open_stopped("data", disk, clock);
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().kind == ErrorKind::not_found);
  CHECK(nothing.error().message == "data is not a data folder: it has no file FORMAT");
  CHECK_FALSE(disk.exists("data").value());
  disk.set_content("data/FORMAT", "penstock-data 1\npartitions 3\n");
  CHECK(LocalLog::open_stopped("data", disk, clock).value()->partitions() == 3);
}

TEST_CASE("the number of partitions comes from FORMAT when nobody asks for one") {
  MemoryDisk disk;
  fakes::ManualClock clock;
  disk.set_content("data/FORMAT", "penstock-data 1\npartitions 3\n");
  CHECK(LocalLog::open({.folder = "data"}, disk, clock).value()->partitions() == 3);
}

TEST_CASE("why appends are refused is known until one is taken again") {
  MemoryDisk disk;
  fakes::ManualClock clock;
  const auto log = LocalLog::open({.folder = "data"}, disk, clock).value();
  append_and_wait(*log, LogName::events, sample_record(0, 0)).value();
  CHECK_FALSE(log->refusal().has_value());
  disk.fail(MemoryDisk::Verb::append, ENOSPC);
  CHECK_FALSE(append_and_wait(*log, LogName::events, sample_record(0, 1)).has_value());
  REQUIRE(log->refusal().has_value());
  CHECK(log->refusal()->message.starts_with("the log events cannot be written: nothing was stored; free some space"));
  CHECK(log->refusal()->message.find("No space left on device") != std::string::npos);
  // What comes at once may still be refused with it.
  while (!append_and_wait(*log, LogName::events, sample_record(0, 1))) {}
  CHECK_FALSE(log->refusal().has_value());
}

}  // namespace
}  // namespace penstock::logs::local
