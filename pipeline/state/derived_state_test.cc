// Derived state over a log in memory: what it says is what the log implies, after every kind of restart.

#include "pipeline/state/derived_state.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock {
namespace {

using conformance::sample_dead_letter;
using conformance::sample_record;

struct Fixture {
  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};
  std::string folder;

  Fixture() {
    folder = (std::filesystem::temp_directory_path() / "penstock-state-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
  }
  ~Fixture() { std::filesystem::remove_all(folder); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  std::unique_ptr<DerivedState> open() {
    auto state = DerivedState::open(folder, log);
    REQUIRE_MESSAGE(state.has_value(), (state ? "" : state.error().message));
    return *std::move(state);
  }

  // Appends, and applies when there is a state.
  void commit(LogRecord record, DerivedState* state) {
    const LogRecord changes{{}, record.dead, record.state, record.positions, record.chain_version};
    const auto appended = conformance::append_and_wait(log, LogName::events, std::move(record));
    REQUIRE(appended.has_value());
    if (state != nullptr) REQUIRE(state->apply(appended->sequence, changes).has_value());
  }
};

// When the rows of `step` expire: no compaction may take them away before.
Timestamp expiry(int number) { return Timestamp{4'102'444'800'000 + number}; }  // 2100

LogRecord step(int number) {
  LogRecord record = sample_record(0, number);
  record.positions = {{"orders", "a", std::to_string(number)}, {"order", "sa", "other"}};
  record.dead = {sample_dead_letter("bad " + std::to_string(number))};
  record.state = {{"seen", "k" + std::to_string(number % 3), std::to_string(number), number % 5 == 4, expiry(number)}};
  record.chain_version = static_cast<std::uint64_t>(number) + 100;
  return record;
}

// What `count` steps leave behind.
void check_stands_at(const DerivedState& state, int count) {
  CHECK(state.next_sequence() == static_cast<std::uint64_t>(count));
  const auto positions = state.positions_of("orders");
  REQUIRE(positions.has_value());
  CHECK(*positions == std::vector<SourcePosition>{{"orders", "a", std::to_string(count - 1)}});
  CHECK(state.chain_version() == static_cast<std::uint64_t>(count) + 99);
  CHECK(state.dead_letters().count({}).value() == static_cast<std::uint64_t>(count));
  for (int key = 0; key < 3; ++key) {
    int last = count - 1;
    while (last >= 0 && last % 3 != key) --last;
    const auto value = state.value("seen", "k" + std::to_string(key));
    REQUIRE(value.has_value());
    REQUIRE(value->has_value() == (last >= 0 && last % 5 != 4));
    if (*value) CHECK((*value)->value == std::to_string(last));
    if (*value) CHECK((*value)->expires_at == expiry(last));
  }
}

TEST_CASE("a new state is empty") {
  Fixture f;
  const auto state = f.open();
  CHECK(state->next_sequence() == 0);
  CHECK(state->chain_version() == 0);
  CHECK(state->positions_of("orders")->empty());
  CHECK_FALSE(state->value("seen", "k")->has_value());
  CHECK_FALSE(state->complete_from().has_value());
}

TEST_CASE("what is committed is applied, and survives a restart") {
  Fixture f;
  {
    const auto state = f.open();
    for (int i = 0; i < 20; ++i) f.commit(step(i), state.get());
    check_stands_at(*state, 20);
  }
  const auto state = f.open();
  CHECK(state->flushed_sequence() == 20);
  check_stands_at(*state, 20);
}

TEST_CASE("what the state missed, it reads from the log when it opens") {
  Fixture f;
  for (int i = 0; i < 7; ++i) f.commit(step(i), nullptr);
  { check_stands_at(*f.open(), 7); }
  for (int i = 7; i < 12; ++i) f.commit(step(i), nullptr);
  check_stands_at(*f.open(), 12);
}

TEST_CASE("killed before a flush, it catches up from its last one") {
  Fixture f, killed;
  const auto state = f.open();
  for (int i = 0; i < 12; ++i) {
    f.commit(step(i), state.get());
    if (i == 4) CHECK(state->flush().has_value());
  }
  // The folder as a kill would leave it: what was not flushed is in memory only.
  std::filesystem::copy(f.folder, killed.folder, std::filesystem::copy_options::recursive);
  const auto after = DerivedState::open(killed.folder, f.log);
  REQUIRE_MESSAGE(after.has_value(), (after ? "" : after.error().message));
  check_stands_at(**after, 12);
}

TEST_CASE("a record applied twice changes nothing; one that is not the next is refused for good") {
  Fixture f;
  const auto state = f.open();
  for (int i = 0; i < 4; ++i) f.commit(step(i), state.get());
  CHECK(state->apply(1, step(50)).has_value());
  check_stands_at(*state, 4);
  CHECK_FALSE(state->apply(5, step(5)).has_value());
  CHECK_FALSE(state->apply(4, step(4)).has_value());
  check_stands_at(*state, 4);
}

TEST_CASE("while the state is behind it tells no row; it catches up from the log when asked to") {
  Fixture f;
  const auto state = f.open();
  for (int i = 0; i < 4; ++i) f.commit(step(i), state.get());
  CHECK(state->recover().has_value());
  for (int i = 4; i < 7; ++i) f.commit(step(i), nullptr);
  CHECK(state->get("seen", "k0", f.clock.now()).value()->value == "3");
  CHECK_FALSE(state->apply(6, step(6)).has_value());
  const auto refused = state->get("seen", "k0", f.clock.now());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::unavailable);

  f.log.fail_next_read({ErrorKind::io, "the disk is away"});
  CHECK_FALSE(state->recover().has_value());
  CHECK_FALSE(state->get("seen", "k0", f.clock.now()).has_value());
  CHECK_FALSE(state->apply(7, step(7)).has_value());

  REQUIRE(state->recover().has_value());
  check_stands_at(*state, 7);
  CHECK(state->get("seen", "k0", f.clock.now()).value()->value == "6");
  f.commit(step(7), state.get());
  check_stands_at(*state, 8);
}

TEST_CASE("several threads may let it recover while another one applies") {
  Fixture f;
  const auto state = f.open();
  constexpr int kRecords = 60;
  std::atomic<bool> over = false;
  std::vector<std::jthread> readers;
  for (int n = 0; n < 2; ++n)
    readers.emplace_back([&] {
      while (!over) CHECK(state->recover().has_value());
    });
  for (int i = 0; i < kRecords; ++i) {
    f.commit(step(i), nullptr);
    // One that it is not given puts it behind, and others may come before anybody has noticed.
    if (i % 10 != 3) std::ignore = state->apply(static_cast<std::uint64_t>(i), step(i));
  }
  over = true;
  readers.clear();
  CHECK(state->recover().has_value());
  check_stands_at(*state, kRecords);
}

TEST_CASE("a row is not told any more from the moment it expires") {
  Fixture f;
  const auto state = f.open();
  LogRecord record;
  record.state = {{"t", "k", "v", false, Timestamp{5'000}}, {"t", "always", "v", false, {}}};
  f.commit(std::move(record), state.get());
  CHECK(state->get("t", "k", Timestamp{4'999}).value().has_value());
  CHECK_FALSE(state->get("t", "k", Timestamp{5'000}).value().has_value());
  CHECK(state->get("t", "always", Timestamp{5'000}).value().has_value());
  CHECK(state->value("t", "k").value().has_value());
}

TEST_CASE("a state made again from the log is the one that was lost") {
  Fixture f;
  {
    const auto state = f.open();
    for (int i = 0; i < 12; ++i) f.commit(step(i), state.get());
  }
  std::filesystem::remove_all(f.folder);
  check_stands_at(*f.open(), 12);
}

TEST_CASE("a second opener is told that the folder is held") {
  Fixture f;
  const auto state = f.open();
  const auto second = DerivedState::open(f.folder, f.log);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().kind == ErrorKind::conflict);
}

TEST_CASE("removed dead letters stay away after a restart") {
  Fixture f;
  {
    const auto state = f.open();
    for (int i = 0; i < 3; ++i) f.commit(step(i), state.get());
    const auto listed = state->dead_letters().list({}, {});
    REQUIRE(listed.has_value());
    CHECK(state->remove_dead_letters({listed->at(0).id, listed->at(1).id}).has_value());
    CHECK(state->flushed_sequence() == 3);
  }
  CHECK(f.open()->dead_letters().count({}).value() == 1);
}

TEST_CASE("a state ahead of a new log starts anew") {
  Fixture f;
  {
    const auto state = f.open();
    for (int i = 0; i < 9; ++i) f.commit(step(i), state.get());
  }
  fakes::MemoryLog other(f.clock);
  const auto appended = conformance::append_and_wait(other, LogName::events, step(0));
  REQUIRE(appended.has_value());
  const auto state = DerivedState::open(f.folder, other);
  REQUIRE_MESSAGE(state.has_value(), (state ? "" : state.error().message));
  check_stands_at(**state, 1);
}

TEST_CASE("a state ahead of a log without its beginning is refused with instructions") {
  Fixture f;
  {
    const auto state = f.open();
    for (int i = 0; i < 9; ++i) f.commit(step(i), state.get());
  }
  fakes::MemoryLog other(f.clock);
  for (int i = 0; i < 4; ++i) conformance::append_and_wait(other, LogName::events, step(i)).value();
  other.drop_records_before(LogName::events, 2);
  const auto state = DerivedState::open(f.folder, other);
  REQUIRE_FALSE(state.has_value());
  CHECK(state.error().kind == ErrorKind::corrupt);
  CHECK(state.error().message.find("move this folder away") != std::string::npos);
}

TEST_CASE("when retention was faster, the state says from when on it is complete") {
  Fixture f;
  for (int i = 0; i < 10; ++i) f.commit(step(i), nullptr);
  f.log.drop_records_before(LogName::events, 6);
  const auto state = f.open();
  CHECK(state->next_sequence() == 10);
  CHECK(state->dead_letters().count({}).value() == 4);
  REQUIRE(state->complete_from().has_value());
  CHECK(*state->complete_from() == f.clock.now());
}

TEST_CASE("a damaged folder is refused with instructions") {
  Fixture f;
  { f.open(); }
  for (const auto& file : std::filesystem::directory_iterator(f.folder)) {
    if (file.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(file.path(), 3);
  }
  const auto state = DerivedState::open(f.folder, f.log);
  REQUIRE_FALSE(state.has_value());
  CHECK(state.error().kind == ErrorKind::corrupt);
  CHECK(state.error().message.find("move the folder away") != std::string::npos);
}

}  // namespace
}  // namespace penstock
