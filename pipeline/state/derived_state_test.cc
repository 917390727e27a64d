// Derived state over a log in memory: what it says is what the log implies, after every kind of restart.

#include "pipeline/state/derived_state.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <tuple>
#include <vector>

#include "pipeline/event/sent_again.h"
#include "pipeline/state/rebuild.h"
#include "pipeline/state/state_rig.h"

namespace penstock {
namespace {

using state::check_stands_at;
using state::Rig;
using state::step;

TEST_CASE("a new state is empty") {
  Rig f;
  const auto state = f.open();
  CHECK(state->next_sequence() == 0);
  CHECK(state->chain_version() == 0);
  CHECK(state->positions_of("orders")->empty());
  CHECK_FALSE(state->value("seen", "k")->has_value());
  CHECK_FALSE(state->complete_from().has_value());
}

TEST_CASE("what is committed is applied, and survives a restart") {
  Rig f;
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
  Rig f;
  for (int i = 0; i < 7; ++i) f.commit(step(i), nullptr);
  { check_stands_at(*f.open(), 7); }
  for (int i = 7; i < 12; ++i) f.commit(step(i), nullptr);
  check_stands_at(*f.open(), 12);
}

TEST_CASE("killed before a flush, it catches up from its last one") {
  Rig f, killed;
  const auto state = f.open();
  for (int i = 0; i < 12; ++i) {
    f.commit(step(i), state.get());
    if (i == 4) CHECK(state->flush().has_value());
  }
  // The folder as a kill would leave it: what was not flushed is in memory only.
  std::filesystem::copy(f.folder, killed.folder, std::filesystem::copy_options::recursive);
  const auto after = DerivedState::open(killed.options(), f.log);
  REQUIRE_MESSAGE(after.has_value(), (after ? "" : after.error().message));
  check_stands_at(**after, 12);
}

TEST_CASE("asked to stop while it catches up it comes to an end, and goes on from there the next time") {
  Rig f;
  for (int i = 0; i < 12; ++i) f.commit(step(i), nullptr);
  std::stop_source asked;
  asked.request_stop();
  const auto stopped = DerivedState::open(f.options(), f.log, f.clock, asked.get_token());
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().kind == ErrorKind::stopped);
  check_stands_at(*f.open(), 12);
}

TEST_CASE("a record applied twice changes nothing; one that is not the next is refused for good") {
  Rig f;
  const auto state = f.open();
  for (int i = 0; i < 4; ++i) f.commit(step(i), state.get());
  CHECK(state->apply(1, step(50)).has_value());
  check_stands_at(*state, 4);
  CHECK_FALSE(state->apply(5, step(5)).has_value());
  CHECK_FALSE(state->apply(4, step(4)).has_value());
  check_stands_at(*state, 4);
}

TEST_CASE("while the state is behind it tells no row; it catches up from the log when asked to") {
  Rig f;
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
  Rig f;
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
  Rig f;
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
  Rig f;
  {
    const auto state = f.open();
    for (int i = 0; i < 12; ++i) f.commit(step(i), state.get());
  }
  std::filesystem::remove_all(f.folder);
  check_stands_at(*f.open(), 12);
}

TEST_CASE("a state that cannot be looked at is an error of the disk, and is not taken for absent") {
  Rig rig;
  std::filesystem::create_symlink(rig.folder, rig.folder);
  const auto opened = DerivedState::open(rig.options(), rig.log, rig.clock);
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::io);
  CHECK(opened.error().message.find(rig.folder + " cannot be looked at") != std::string::npos);
}

TEST_CASE("a second opener is told that the folder is held") {
  Rig f;
  const auto state = f.open();
  const auto second = DerivedState::open(f.options(), f.log);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().kind == ErrorKind::conflict);
}

TEST_CASE("removed dead letters stay away after a restart") {
  Rig f;
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

TEST_CASE("a commit takes out the letters that it read again, also when the state is made from the log") {
  Rig f;
  {
    const auto state = f.open();
    for (int i = 0; i < 3; ++i) f.commit(step(i), state.get());
    const auto letters = state->dead_letters().list({}, {});
    REQUIRE(letters.has_value());
    LogRecord commit = step(3);
    DeadLetter worse = letters->at(1).letter;
    worse.attempts = 7;
    commit.dead = {taken_out(letters->at(0).letter, 0), sent_again(letters->at(1).letter, 0), worse};
    f.commit(std::move(commit), state.get());
    CHECK(state->dead_letters().count({}).value() == 2);
    CHECK(state->dead_letters().get(letters->at(1).id).value().attempts == 7);
  }
  std::filesystem::remove_all(f.folder);
  CHECK(f.open()->dead_letters().count({}).value() == 2);
}

TEST_CASE("a state ahead of a log that has its beginning is refused with instructions, and can be made anew") {
  Rig f;
  {
    const auto state = f.open();
    for (int i = 0; i < 9; ++i) f.commit(step(i), state.get());
  }
  fakes::MemoryLog other(f.clock);
  const auto appended = conformance::append_and_wait(other, LogName::events, step(0));
  REQUIRE(appended.has_value());
  const auto refused = DerivedState::open(f.options(), other);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::corrupt);
  for (const char* said : {"8 committed records are missing", "get events again", "rebuild-state", "--from-start"})
    CHECK_MESSAGE(refused.error().message.find(said) != std::string::npos, refused.error().message);
  REQUIRE(state::rebuild(f.options(), state::RebuildFrom::start, other, f.clock).has_value());
  const auto state = DerivedState::open(f.options(), other);
  REQUIRE_MESSAGE(state.has_value(), (state ? "" : state.error().message));
  check_stands_at(**state, 1);
}

TEST_CASE("a state ahead of a log without its beginning is refused with instructions") {
  Rig f;
  {
    const auto state = f.open();
    for (int i = 0; i < 9; ++i) f.commit(step(i), state.get());
  }
  fakes::MemoryLog other(f.clock);
  for (int i = 0; i < 4; ++i) conformance::append_and_wait(other, LogName::events, step(i)).value();
  other.drop_records_before(LogName::events, 2);
  const auto state = DerivedState::open(f.options(), other);
  REQUIRE_FALSE(state.has_value());
  CHECK(state.error().kind == ErrorKind::corrupt);
  CHECK(state.error().message.find("has applied 9 records, but the log `events` ends before record 4") != std::string::npos);
  CHECK(state.error().message.find("5 committed records are missing") != std::string::npos);
  CHECK(state.error().message.find("`penstock rebuild-state ") != std::string::npos);
  CHECK(state.error().message.find("--from-start") == std::string::npos);  // the command says when that is needed
}

}  // namespace
}  // namespace penstock
