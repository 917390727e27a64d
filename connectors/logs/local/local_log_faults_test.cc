// Every call to the disk fails once, or from then on, in its turn: while a log is opened, written, read, cut and opened again. The
// error says what and where, and once the disk is well everything acknowledged is there.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "connectors/logs/local/local_log.h"
#include "pipeline/base/log.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"

namespace penstock::logs::local {
namespace {

using conformance::read_to_end;
using conformance::sample_record;
using fakes::MemoryDisk;
using Verb = MemoryDisk::Verb;

constexpr std::array kLogs{LogName::captured, LogName::events};
constexpr std::uint64_t kNeeded = 4;  // records before it may be removed
constexpr Bytes kSegment = 400_B;

// What a log must hold, by what was answered.
struct Promised {
  std::map<std::uint64_t, int> acknowledged;  // by sequence
  std::set<int> refused;  // "nothing was stored"
};

void check_says(const Error& error) {
  CHECK_MESSAGE(error.message.find("injected: ") != std::string::npos, error.message);
  CHECK_MESSAGE(error.message.find(" data") != std::string::npos, error.message);
  CHECK(error.kind != ErrorKind::corrupt);
  CHECK(error.kind != ErrorKind::conflict);
}

Result<std::unique_ptr<LocalLog>> open(Disk& disk, const Clock& clock) {
  return LocalLog::open(
      {.folder = "data", .partitions = 2, .segment_bytes = kSegment, .recent_max = Bytes{0}, .own_threads = false}, disk,
      clock);
}

// Nothing acknowledged is missing, nothing refused is there, and there is no hole.
void check_holds(Log& log, LogName name, const Promised& promised) {
  const auto reader = log.read(name, log.begin(name));
  REQUIRE_MESSAGE(reader.has_value(), (reader ? "" : reader.error().message));
  const auto records = read_to_end(**reader);
  std::uint64_t next = records.empty() ? log.next_sequence(name) : records.front()->sequence;
  CHECK(next <= kNeeded);
  for (const auto& record : records) {
    CHECK(record->sequence == next++);
    const auto body = record->chunks.at(0)->body(0);
    REQUIRE(body.has_value());
    const int number = std::stoi(std::string(body->substr(5)));
    CHECK_FALSE(promised.refused.contains(number));
    const auto known = promised.acknowledged.find(record->sequence);
    if (known != promised.acknowledged.end()) CHECK(known->second == number);
  }
  CHECK(next == log.next_sequence(name));
  if (!promised.acknowledged.empty()) CHECK(promised.acknowledged.rbegin()->first < next);
}

// Somebody who uses a log, and goes on as well as can be when it says no.
class User {
 public:
  explicit User(MemoryDisk& disk) : disk_(disk) {}

  void run() {
    open_log();
    append(8);
    read();
    cut();
    append(3);
    log_->close();
    open_log();
    append(2);
    read();
  }
  void check_now() {
    if (log_->failure()) open_log();
    append(1);
    for (const LogName name : kLogs) check_holds(*log_, name, promised(name));
  }
  void check_after_power_cut(MemoryDisk::Unsynced keep) const {
    const auto after = disk_.crash(7, keep);
    const auto log = open(*after, clock_);
    REQUIRE_MESSAGE(log.has_value(), (log ? "" : log.error().message));
    for (const LogName name : kLogs) check_holds(**log, name, promised(name));
  }
  int errors() const { return errors_; }

 private:
  Promised& promised(LogName name) { return promised_[static_cast<std::size_t>(name)]; }
  const Promised& promised(LogName name) const { return promised_[static_cast<std::size_t>(name)]; }

  void told(const Error& error) {
    ++errors_;
    check_says(error);
  }

  // One who is told no starts it again, and does so for good when the disk is well.
  void open_log() {
    reader_.reset();
    log_.reset();
    for (int tries = 0;; ++tries) {
      auto opened = open(disk_, clock_);
      if (opened) {
        log_ = *std::move(opened);
        return;
      }
      REQUIRE(tries < 2);
      told(opened.error());
      if (tries > 0) disk_.fail_no_more();
    }
  }

  void append(int records) {
    for (int i = 0; i < records; ++i) {
      for (const LogName name : kLogs) append_one(name);
      clock_.advance(Duration{1000});
    }
  }

  void append_one(LogName name) {
    const int number = made_++;
    std::optional<Result<Appended>> answer;
    log_->append(name, sample_record(number % 2, number), [&](Result<Appended> said) { answer = std::move(said); });
    while (log_->write_queued(name)) {}
    REQUIRE(answer.has_value());
    if (*answer) {
      CHECK(promised(name).acknowledged.emplace((*answer)->sequence, number).second);
      return;
    }
    told(answer->error());
    if (answer->error().kind == ErrorKind::unavailable) promised(name).refused.insert(number);
    else CHECK(log_->failure().has_value());
    if (log_->failure()) open_log();
  }

  // A reader that was told no goes on where it stood.
  void read() {
    const auto begin = log_->begin(LogName::events);
    for (int tries = 0; !reader_ && tries < 2; ++tries) {
      auto made = log_->read(LogName::events, begin);
      if (made) reader_ = *std::move(made);
      else told(made.error());
    }
    std::uint64_t next = 0;
    int refusals = 0;
    while (reader_ && refusals < 2) {
      const auto record = reader_->next();
      if (!record) {
        told(record.error());
        ++refusals;
        continue;
      }
      if (!*record) break;
      CHECK((next == 0 || (*record)->sequence == next));
      next = (*record)->sequence + 1;
    }
    if (refusals == 0 && reader_) CHECK(next == log_->next_sequence(LogName::events));
    reader_.reset();
    const auto offsets = log_->offsets_at(LogName::events, Timestamp{clock_.now().ms - 3000});
    if (!offsets) told(offsets.error());
    const auto by_record = log_->read_from_sequence(LogName::captured, log_->next_sequence(LogName::captured) / 2);
    if (!by_record) told(by_record.error());
  }

  void cut() {
    const TrimLimits limits{.older_than = {}, .bytes_max = 0, .before_sequence = kNeeded, .keep_from = {}};
    for (const LogName name : kLogs) {
      for (int tries = 0; tries < 2; ++tries) {
        const auto trimmed = log_->trim(name, limits);
        if (trimmed) continue;
        told(trimmed.error());
        CHECK(trimmed.error().message.starts_with("retention: "));
      }
    }
  }

  MemoryDisk& disk_;
  fakes::ManualClock clock_;
  std::unique_ptr<LocalLog> log_;
  std::unique_ptr<LogReader> reader_;
  std::array<Promised, 2> promised_;
  int made_ = 0;
  int errors_ = 0;
};

}  // namespace

TEST_CASE("whichever call to the disk fails, the log says which, and has what was acknowledged when the disk is well") {
  silence_log();
  int error = 0;
  int times = 1;
  SUBCASE("once, for want of room") { error = ENOSPC; }
  SUBCASE("once, for good") { error = EIO; }
  SUBCASE("from then on, for want of room") {
    error = ENOSPC;
    times = 1'000'000;
  }
  SUBCASE("from then on, for good") {
    error = EIO;
    times = 1'000'000;
  }
  bool met = true;
  int told = 0;
  int calls = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    MemoryDisk disk;
    User user(disk);
    disk.fail(Verb::any, error, calls, times);
    user.run();
    met = disk.calls(Verb::any) > calls;
    disk.fail_no_more();
    for (const auto keep : {MemoryDisk::Unsynced::lost, MemoryDisk::Unsynced::prefix, MemoryDisk::Unsynced::scattered})
      user.check_after_power_cut(keep);
    user.check_now();
    user.check_after_power_cut(MemoryDisk::Unsynced::lost);
    if (user.errors() > 0) ++told;
  }
  CHECK(calls > 100);
  CHECK(told > calls * 3 / 4);  // what goes on all the same: an index, the draft of one
}

TEST_CASE("a folder that cannot be looked at is not taken for a new one") {
  fakes::ManualClock clock;
  MemoryDisk disk;
  REQUIRE(open(disk, clock).has_value());
  const std::string format = disk.content("data/FORMAT");
  disk.fail(Verb::exists, EIO, 0, 10);
  const auto refused = LocalLog::open({.folder = "data", .partitions = 7}, disk, clock);
  REQUIRE_FALSE(refused.has_value());
  check_says(refused.error());
  CHECK(disk.content("data/FORMAT") == format);
}

TEST_CASE("an index that cannot be read is made again from its segment") {
  silence_log();
  fakes::ManualClock clock;
  MemoryDisk disk;
  const auto log = open(disk, clock).value();
  for (int i = 0; i < 8; ++i) {
    log->append(LogName::events, sample_record(0, i), [](const Result<Appended>& done) { CHECK(done.has_value()); });
    REQUIRE(log->write_queued(LogName::events));
  }
  for (const auto verb : {Verb::read, Verb::exists}) {
    const int written = disk.calls(Verb::write_atomically);
    disk.fail(verb, EIO, 0, 1, ".idx");
    const auto reader = log->read_from_sequence(LogName::events, 0);
    REQUIRE(reader.has_value());
    CHECK(read_to_end(**reader).size() == 8);
    CHECK(disk.calls(Verb::write_atomically) == written + 1);
  }
}

}  // namespace penstock::logs::local
