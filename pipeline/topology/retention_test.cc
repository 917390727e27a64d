#include "pipeline/topology/retention.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_disk.h"
#include "tests/fakes/memory_log.h"

namespace penstock::topology {
namespace {

constexpr std::uint64_t kGiB = 1ULL << 30;

struct Bench {
  Bench() {
    settings.retention.events = {Duration{60'000}, 1_GiB};
    settings.retention.captured = {Duration{60'000}, 1_GiB};
    settings.segment = 1_B;
  }

  void add(LogName to, int count) {
    for (int i = 0; i < count; ++i) log.add(to, {{.body = R"({"event":"a"})", .received_at = {}}});
  }
  std::uint64_t kept(LogName of) const { return log.records(of).size(); }
  void look() {
    if (!retention) {
      RetentionNeeds needs;
      needs.captured_committed = [this] { return committed; };
      needs.state_checkpointed = [this] { return checkpointed; };
      needs.checkpoint_if_due = []() -> Result<void> { return {}; };
      needs.checkpoint_now = [this]() -> Result<void> {
        ++checkpoints_asked;
        if (refused) return fail(*refused);
        checkpointed = log.next_sequence(LogName::events);
        return {};
      };
      needs.holders = [this] { return holders; };
      retention = std::make_unique<Retention>(settings, "data", log, disk, clock, std::move(needs), gate, metrics);
    }
    retention->look();
  }

  LogSettings settings;
  fakes::ManualClock clock;
  fakes::MemoryDisk disk;
  fakes::MemoryLog log{clock};
  ingest::Gate gate;
  telemetry::Metrics metrics;
  std::uint64_t committed = 0;
  std::uint64_t checkpointed = 0;
  int checkpoints_asked = 0;
  std::optional<Error> refused;  // when a checkpoint is asked for
  std::vector<Holder> holders;
  std::unique_ptr<Retention> retention;
};

// What goes to standard error meanwhile.
std::string said_while(const std::function<void()>& act) {
  const int before = ::dup(STDERR_FILENO);
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  ::dup2(::fileno(file), STDERR_FILENO);
  act();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  std::rewind(file);
  std::string said(1 << 16, '\0');
  said.resize(std::fread(said.data(), 1, said.size(), file));
  std::fclose(file);
  return said;
}

}  // namespace

TEST_CASE("what is too old goes, once ingest is done with it and a checkpoint has it") {
  Bench bench;
  bench.add(LogName::captured, 5);
  bench.add(LogName::events, 5);
  bench.clock.advance(Duration{61'000});
  bench.refused = Error{ErrorKind::io, "the disk is away"};
  bench.look();
  CHECK(bench.kept(LogName::captured) == 5);
  CHECK(bench.kept(LogName::events) == 5);
  CHECK(bench.checkpoints_asked == 1);
  bench.committed = 3;
  bench.checkpointed = 3;
  bench.look();
  CHECK(bench.kept(LogName::captured) == 2);
  CHECK(bench.kept(LogName::events) == 2);
  bench.refused.reset();
  bench.look();
  CHECK(bench.kept(LogName::events) == 1);
  CHECK_FALSE(bench.gate.is_closed());
}

TEST_CASE("a failure is told when it begins, and again when it comes back") {
  Bench bench;
  bench.add(LogName::events, 5);
  bench.clock.advance(Duration{61'000});
  bench.refused = Error{ErrorKind::io, "the disk is away"};
  const auto tells = [&] { return said_while([&] { bench.look(); }).find("the disk is away") != std::string::npos; };
  CHECK(tells());
  CHECK_FALSE(tells());
  bench.refused.reset();
  CHECK_FALSE(tells());
  bench.add(LogName::events, 5);
  bench.clock.advance(Duration{61'000});
  bench.refused = Error{ErrorKind::io, "the disk is away"};
  CHECK(tells());
}

TEST_CASE("a checkpoint is asked for only when one would help") {
  Bench bench;
  bench.add(LogName::events, 10);
  bench.checkpointed = 6;
  bench.settings.retention.events.bytes = Bytes{bench.log.bytes(LogName::events) / 2};
  bench.look();
  CHECK(bench.kept(LogName::events) == 5);
  CHECK(bench.checkpoints_asked == 0);
  bench.holders = {{"crm", bench.log.begin(LogName::events)}};
  bench.add(LogName::events, 10);
  bench.look();
  bench.look();
  CHECK(bench.kept(LogName::events) == 15);
  CHECK(bench.checkpoints_asked == 0);
}

TEST_CASE("a log that is too large loses its oldest part, after a checkpoint was taken") {
  Bench bench;
  bench.add(LogName::events, 10);
  bench.settings.retention.events.bytes = Bytes{bench.log.bytes(LogName::events) / 2};
  bench.look();
  CHECK(bench.kept(LogName::events) == 5);
  CHECK(bench.checkpointed == 10);
}

TEST_CASE("a destination that holds keeps what it has not got, and then sources wait") {
  Bench bench;
  bench.add(LogName::events, 10);
  const Offsets middle = bench.log.records(LogName::events)[3]->next;
  bench.holders = {{"crm", middle}};
  bench.settings.retention.events.bytes = Bytes{bench.log.bytes(LogName::events) / 4};
  bench.look();
  CHECK(bench.kept(LogName::events) == 6);
  REQUIRE(bench.gate.reason());
  CHECK(bench.gate.reason()->find("crm with `hold: true` has not got them yet") != std::string::npos);
  bench.holders = {{"crm", bench.log.end(LogName::events)}};
  bench.look();
  CHECK(bench.kept(LogName::events) <= 3);
  CHECK_FALSE(bench.gate.is_closed());
}

TEST_CASE("a disk that is nearly full gets back what may go, and closes the gate when that is not enough") {
  Bench bench;
  bench.add(LogName::captured, 4);
  bench.add(LogName::events, 4);
  bench.committed = 4;
  bench.disk.set_space({100 * kGiB, 2 * kGiB});
  bench.look();
  CHECK(bench.kept(LogName::captured) == 4);
  bench.disk.set_space({100 * kGiB, kGiB / 2});
  bench.look();
  CHECK(bench.kept(LogName::captured) == 1);
  CHECK(bench.kept(LogName::events) == 1);
  REQUIRE(bench.gate.reason());
  CHECK(bench.gate.reason()->find("is nearly full") != std::string::npos);
  bench.disk.set_space({100 * kGiB, kGiB + 1});
  bench.look();
  CHECK(bench.gate.is_closed());  // a little more than enough is not enough to open it again
  bench.disk.set_space({100 * kGiB, 2 * kGiB});
  bench.look();
  CHECK_FALSE(bench.gate.is_closed());
}

TEST_CASE(
    "each look says how much may be written until the next: to what must be free for sources, to half of it for ingest") {
  Bench bench;
  bench.disk.set_space({100 * kGiB, 2 * kGiB});
  bench.look();
  CHECK(bench.gate.has_room(kGiB));
  CHECK_FALSE(bench.gate.has_room(kGiB + 1));
  bench.gate.spend(kGiB);
  CHECK(bench.gate.is_closed());
  bench.gate.spend(kGiB / 2 - 1);
  CHECK_FALSE(bench.gate.is_shut());
  bench.gate.spend(1);
  CHECK(bench.gate.is_shut());
  bench.look();
  CHECK_FALSE(bench.gate.is_closed());
  CHECK_FALSE(bench.gate.is_shut());
}

TEST_CASE("without a bound nobody waits before the disk is full") {
  Bench bench;
  bench.settings.retention.free_min = Bytes{0};
  bench.disk.set_space({100 * kGiB, 0});
  bench.look();
  CHECK(bench.gate.has_room(kGiB));
  CHECK_FALSE(bench.gate.is_shut());
}

TEST_CASE("there is room for some files of the log, and a file is small on a small disk") {
  LogSettings settings;
  CHECK(settings.segment_on(1ULL << 40) == (64ULL << 20));
  CHECK(settings.segment_on(1ULL << 30) == (16ULL << 20));
  CHECK(settings.segment_on(32ULL << 20) == (1ULL << 20));
  Bench bench;
  bench.settings.segment = 4_MiB;
  bench.disk.set_space({1ULL << 28, (19ULL << 20)});
  bench.look();
  CHECK_FALSE(bench.gate.is_closed());
  bench.disk.set_space({1ULL << 28, (17ULL << 20)});
  bench.look();
  CHECK(bench.gate.is_closed());
}

TEST_CASE("of a small disk a twentieth is enough") {
  Bench bench;
  bench.disk.set_space({1000, 60});
  bench.look();
  CHECK_FALSE(bench.gate.is_closed());
  bench.disk.set_space({1000, 40});
  bench.look();
  CHECK(bench.gate.is_closed());
}

TEST_CASE("a disk that does not say what is free is as it was, and lets in no more than it did") {
  Bench bench;
  const auto does_not_say = [&] { bench.disk.fail(fakes::MemoryDisk::Verb::space, EIO, 0, 2); };
  bench.disk.set_space({100 * kGiB, 2 * kGiB});
  bench.look();
  const auto room = static_cast<std::uint64_t>(kGiB);
  REQUIRE(bench.gate.has_room(room));
  bench.gate.spend(room / 2);
  does_not_say();
  CHECK(said_while([&] { bench.look(); }).find("ask for the free space of data") != std::string::npos);
  CHECK(said_while([&] { bench.look(); }).empty());
  CHECK_FALSE(bench.gate.has_room(room));
  CHECK_FALSE(bench.gate.is_closed());

  bench.disk.set_space({100 * kGiB, kGiB / 2});
  bench.look();
  REQUIRE(bench.gate.is_closed());
  does_not_say();
  bench.look();
  CHECK(bench.gate.is_closed());
  bench.disk.fail_no_more();
  bench.disk.set_space({100 * kGiB, 2 * kGiB});
  bench.look();
  CHECK_FALSE(bench.gate.is_closed());
}

}  // namespace penstock::topology
