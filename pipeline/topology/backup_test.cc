// Backups of a folder whose parts change all the time: whatever moment is caught, its parts fit.

#include "pipeline/topology/backup.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "pipeline/ports/posix_disk.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::topology {
namespace {

namespace fs = std::filesystem;
using conformance::append_and_wait;
using conformance::sample_record;

struct TemporaryFolder {
  std::string path = (fs::temp_directory_path() / "penstock-backup-XXXXXX").string();

  TemporaryFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TemporaryFolder() { fs::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

template <class T>
T must(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
  return *std::move(result);
}

// The parts of a data folder, opened as a process opens them.
struct Data {
  explicit Data(const std::string& data)
      : folder(data), log(must(logs::local::LocalLog::open({.folder = data, .partitions = 4, .segment_bytes = 4_KiB},
                                                           posix_disk(), clock))),
        state(must(DerivedState::open({data + "/state", data + "/checkpoints"}, *log, clock))),
        store(must(delivery::DeliveryStore::open(data + "/delivery", clock))),
        catalog(must(catalog::Catalog::open(data + "/catalog.db", clock))) {}

  // One accepted event, its commit, and its delivery.
  void take_in(int number) {
    append_and_wait(*log, LogName::captured, sample_record(0, number)).value();
    LogRecord commit = sample_record(0, number);
    commit.positions = {{"captured", "", std::to_string(number + 1)}};
    const LogRecord changes{{}, {}, {}, commit.positions, 0};
    const auto appended = append_and_wait(*log, LogName::events, std::move(commit)).value();
    REQUIRE(state->apply(appended.sequence, changes).has_value());
    REQUIRE(store->save_cursor("crm", appended.next, delivery::Sync::no).has_value());
  }
  std::uint64_t captured_read() const {
    const auto positions = must(state->positions_of("captured"));
    return positions.empty() ? 0 : std::stoull(positions.front().position);
  }
  Result<BackupReport> back_up(const std::string& to) {
    return topology::back_up({*log, *state, *store, *catalog, posix_disk()}, folder, to);
  }

  std::string folder;
  fakes::ManualClock clock;
  std::unique_ptr<logs::local::LocalLog> log;
  std::unique_ptr<DerivedState> state;
  std::unique_ptr<delivery::DeliveryStore> store;
  std::unique_ptr<catalog::Catalog> catalog;
};

}  // namespace

TEST_CASE("a backup is a data folder with all that was there") {
  const TemporaryFolder temporary;
  const std::string to = temporary.path + "/backup";
  Data data(temporary.path + "/data");
  for (int i = 0; i < 60; ++i) data.take_in(i);
  REQUIRE(data.catalog->pause("crm", "they migrate").has_value());
  const auto report = must(data.back_up(to + "/"));
  CHECK(report.events == 60);
  CHECK(report.captured == 60);
  for (int i = 60; i < 70; ++i) data.take_in(i);

  const Data copy(to);
  CHECK(copy.log->next_sequence(LogName::events) == 60);
  CHECK(copy.log->next_sequence(LogName::captured) == 60);
  CHECK(copy.captured_read() == 60);
  CHECK(copy.state->next_sequence() == 60);
  CHECK(must(copy.store->cursor("crm"))->next == copy.log->end(LogName::events));
  CHECK(must(copy.catalog->pauses()).front().note == "they migrate");
  CHECK_FALSE(fs::exists(to + ".partial"));
  CHECK(data.captured_read() == 70);
}

TEST_CASE("whatever moment a backup catches, nothing in it is ahead of its logs, and nothing accepted before is missing") {
  const TemporaryFolder temporary;
  Data data(temporary.path + "/data");
  std::atomic<int> taken_in = 0;
  std::jthread busy([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      data.take_in(taken_in);
      ++taken_in;
    }
  });
  for (int i = 0; i < 5; ++i) {
    const std::string to = temporary.path + "/backup" + std::to_string(i);
    const auto before = static_cast<std::uint64_t>(taken_in);
    const auto report = must(data.back_up(to));
    {
      // As it is on disk, before state catches up.
      const auto log = must(logs::local::LocalLog::open({.folder = to}, posix_disk(), data.clock));
      const auto store = must(delivery::DeliveryStore::open(to + "/delivery", data.clock));
      if (const auto cursor = must(store->cursor("crm"))) CHECK(cursor->next[0] <= log->end(LogName::events)[0]);
    }
    const Data copy(to);
    CHECK(copy.log->next_sequence(LogName::events) >= before);
    CHECK(copy.state->next_sequence() == copy.log->next_sequence(LogName::events));
    CHECK(copy.captured_read() == copy.log->next_sequence(LogName::events));
    CHECK(copy.captured_read() <= copy.log->next_sequence(LogName::captured));
    CHECK(report.events == copy.log->next_sequence(LogName::events));
  }
}

TEST_CASE("a backup goes only where nothing is, and leaves nothing when it fails") {
  const TemporaryFolder temporary;
  const std::string to = temporary.path + "/backup";
  Data data(temporary.path + "/data");
  data.take_in(0);
  const auto refusal = [&](const std::string& folder) {
    const auto refused = data.back_up(folder);
    REQUIRE_FALSE(refused.has_value());
    return refused.error();
  };
  CHECK(refusal("backup").kind == ErrorKind::invalid);
  CHECK(refusal(temporary.path + "/missing/backup").message.find(temporary.path + "/missing is no folder that is there") ==
        0);
  CHECK_FALSE(fs::exists(temporary.path + "/missing"));
  fs::create_symlink(temporary.path + "/nowhere", temporary.path + "/link");
  CHECK(refusal(temporary.path + "/link/backup").kind == ErrorKind::not_found);
  CHECK(refusal(temporary.path + "/link").message ==
        temporary.path + "/link is a link: name the folder that it should lead to");
  CHECK_FALSE(fs::exists(temporary.path + "/link.partial"));
  const std::string too_long = temporary.path + "/" + std::string(300, 'x');
  CHECK(refusal(too_long).message.find(too_long + " cannot be looked at: ") == 0);
  fs::create_directories(to + "/something");
  CHECK(refusal(to).kind == ErrorKind::conflict);
  CHECK(fs::exists(to + "/something"));
  fs::remove(to + "/something");
  fs::create_directory(to + ".partial");
  CHECK(refusal(to).message.find(".partial is there") != std::string::npos);
  fs::remove(to + ".partial");
  fs::rename(data.folder + "/FORMAT", data.folder + "/FORMAT.away");
  CHECK(refusal(to).message.find("no backup was made") == 0);
  CHECK_FALSE(fs::exists(to + ".partial"));
  CHECK(fs::is_empty(to));
  fs::rename(data.folder + "/FORMAT.away", data.folder + "/FORMAT");
  CHECK(must(data.back_up(to)).events == 1);
}

TEST_CASE("a stopped folder is backed up, one that a process has is not, and neither is another folder") {
  const TemporaryFolder temporary;
  const std::string to = temporary.path + "/backup";
  {
    Data data(temporary.path + "/data");
    for (int i = 0; i < 5; ++i) data.take_in(i);
    CHECK(back_up_stopped(data.folder, to).error().kind == ErrorKind::conflict);
    CHECK_FALSE(fs::exists(to));
  }
  CHECK(back_up_stopped(temporary.path, to).error().kind == ErrorKind::not_found);
  CHECK(must(back_up_stopped(temporary.path + "/data", to)).events == 5);
  CHECK(Data(to).captured_read() == 5);
}

}  // namespace penstock::topology
