// The derived state on a disk that fills up, fails, and loses its power: it waits, or says that it cannot, and what comes back is
// always what the log says.
#include <array>
#include <cerrno>
#include <chrono>
#include <random>
#include <tuple>

#include "pipeline/base/log.h"
#include "pipeline/state/state_rig.h"
#include "tests/fakes/faulty_file_system.h"

namespace penstock::state {
namespace {

using fakes::FaultyFileSystem;
using Verb = FaultyFileSystem::Verb;
using Unsynced = FaultyFileSystem::Unsynced;

struct FaultyRig : Rig {
  FaultyRig() {
    env = disk->env();
    state = open();
  }
  // Appends, and gives it to the state, which may refuse it.
  Result<void> try_commit(int number) {
    LogRecord record = step(number);
    const LogRecord changes{{}, record.dead, record.state, record.positions, record.chain_version};
    const auto appended = conformance::append_and_wait(log, LogName::events, std::move(record));
    REQUIRE(appended.has_value());
    return state->apply(appended->sequence, changes);
  }
  void cut_power(Unsynced unsynced) {
    disk->power_off();
    state.reset();
    disk->power_on(unsynced);
    disk->set_full(false);
  }

  std::shared_ptr<FaultyFileSystem> disk = FaultyFileSystem::make();
  std::unique_ptr<DerivedState> state;
};

struct Silence {
  Silence() { silence_log(); }
};

}  // namespace

TEST_CASE("on a full disk the state waits, tells no old row, and goes on when there is room") {
  FaultyRig rig;
  REQUIRE(rig.try_commit(0).has_value());
  rig.disk->set_full(true);
  const auto flushed = rig.state->flush();
  REQUIRE_FALSE(flushed.has_value());
  CHECK(flushed.error().kind == ErrorKind::unavailable);
  CHECK(flushed.error().message.find("No space left on device") != std::string::npos);
  CHECK_FALSE(rig.try_commit(1).has_value());
  CHECK_FALSE(rig.try_commit(2).has_value());
  CHECK(rig.state->get("seen", "k0", rig.clock.now()).error().kind == ErrorKind::unavailable);
  CHECK(rig.state->recover().error().kind == ErrorKind::unavailable);
  CHECK_FALSE(rig.state->failure());

  rig.disk->set_full(false);
  REQUIRE(rig.state->recover().has_value());
  check_stands_at(*rig.state, 3);
  REQUIRE(rig.state->flush().has_value());
  CHECK(rig.state->flushed_sequence() == 3);
  rig.cut_power(Unsynced::lost);
  rig.state = rig.open();
  check_stands_at(*rig.state, 3);
}

TEST_CASE("nobody asks for rows: then whoever looks after checkpoints lets the state catch up") {
  FaultyRig rig;
  REQUIRE(rig.try_commit(0).has_value());
  rig.disk->set_full(true);
  CHECK_FALSE(rig.state->flush().has_value());
  CHECK_FALSE(rig.try_commit(1).has_value());
  CHECK_FALSE(rig.state->take_checkpoint_if_due().has_value());
  rig.disk->set_full(false);
  REQUIRE(rig.state->take_checkpoint_if_due().has_value());
  CHECK(rig.state->checkpointed_sequence() == rig.log.next_sequence(LogName::events));
}

TEST_CASE("after a sync that failed the state says that nothing can be written, and the next start has it whole") {
  FaultyRig rig;
  REQUIRE(rig.try_commit(0).has_value());
  REQUIRE(rig.state->flush().has_value());
  REQUIRE(rig.try_commit(1).has_value());
  rig.disk->fail(Verb::sync, EIO);
  CHECK_FALSE(rig.state->flush().has_value());
  const auto failure = rig.state->failure();
  REQUIRE(failure);
  CHECK(failure->message.find("the state in " + rig.folder + " cannot be written any more") != std::string::npos);
  CHECK(rig.state->recover().error().kind == ErrorKind::io);
  CHECK_FALSE(rig.try_commit(2).has_value());
  rig.cut_power(Unsynced::lost);
  rig.state = rig.open();
  check_stands_at(*rig.state, 3);
}

TEST_CASE("a state that cannot be opened for want of room is left as it was") {
  FaultyRig rig;
  for (int i = 0; i < 3; ++i) REQUIRE(rig.try_commit(i).has_value());
  REQUIRE(rig.state->flush().has_value());
  rig.state.reset();
  rig.disk->set_full(true);
  const auto refused = DerivedState::open(rig.options(), rig.log, rig.clock);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::unavailable);
  CHECK(refused.error().message.find(rig.folder) != std::string::npos);
  rig.disk->set_full(false);
  rig.state = rig.open();
  check_stands_at(*rig.state, 3);
}

TEST_CASE("dead letters that cannot be removed are still there") {
  FaultyRig rig;
  REQUIRE(rig.try_commit(0).has_value());
  REQUIRE(rig.state->flush().has_value());
  rig.disk->set_full(true);
  REQUIRE(rig.try_commit(1).has_value());
  CHECK_FALSE(rig.state->flush().has_value());
  const auto letters = rig.state->dead_letters().list({}, {});
  REQUIRE(letters.has_value());
  const std::uint64_t before = letters->size();
  CHECK_FALSE(rig.state->remove_dead_letters({letters->front().id}).has_value());
  CHECK(rig.state->dead_letters().count({}).value() == before);
}

// Every call that writes fails once, in its turn, while commits, flushes and checkpoints go on; then the power goes. Every fifth one,
// beginning anywhere, unless there is time.
TEST_CASE("whichever call fails, the state comes back as the log says") {
  const Silence silence;
  int error = 0;
  SUBCASE("for want of room") { error = ENOSPC; }
  SUBCASE("for good") { error = EIO; }
  bool met = true;
  const int stride = std::getenv("PENSTOCK_TEST_LONG") != nullptr ? 1 : 5;
  int calls = static_cast<int>(std::random_device()() % static_cast<unsigned>(stride));
  for (; met; calls += stride) {
    CAPTURE(calls);
    FaultyRig rig;
    REQUIRE(rig.try_commit(0).has_value());
    REQUIRE(rig.state->flush().has_value());
    const int before = rig.disk->calls(Verb::any);
    rig.disk->fail(Verb::any, error, calls);
    bool all_well = true;
    for (int i = 1; i < 5; ++i) {
      all_well &= rig.try_commit(i).has_value();
      all_well &= i % 2 == 0 ? rig.state->take_checkpoint().has_value() : rig.state->flush().has_value();
    }
    met = rig.disk->calls(Verb::any) - before > calls;
    rig.disk->fail_no_more();
    if (error == ENOSPC) {
      REQUIRE(rig.state->recover().has_value());
      check_stands_at(*rig.state, 5);
      CHECK_FALSE(rig.state->failure());
      const auto taken = rig.state->take_checkpoint();
      REQUIRE_MESSAGE(taken.has_value(), (taken ? "" : taken.error().message));
    }
    if (!all_well && error == EIO && !rig.state->failure()) REQUIRE(rig.state->recover().has_value());
    rig.cut_power(calls % 2 == 0 ? Unsynced::lost : Unsynced::kept);
    rig.state = rig.open();
    check_stands_at(*rig.state, 5);
    CHECK(rig.state->checkpointed_sequence() <= 5);
  }
  CHECK(calls > 20);
}

namespace {

// Commits, flushes, checkpoints, faults, a full disk, kills and power cuts in any order. RocksDB has threads, so a seed says what
// was done, and not always at which of its calls.
void run_by_chance(std::uint64_t seed) {
  constexpr std::array kVerbs{Verb::create, Verb::append, Verb::sync, Verb::rename, Verb::sync_directory, Verb::open};
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  FaultyRig rig;
  int commits = 0;
  const auto start_again = [&] {
    rig.cut_power(below(2) == 0 ? Unsynced::kept : Unsynced::lost);
    rig.state = rig.open();
    check_stands_at(*rig.state, commits);
  };
  REQUIRE(rig.try_commit(commits++).has_value());
  for (int i = 0; i < 40; ++i) {
    switch (below(10)) {
      case 0: std::ignore = rig.state->flush(); break;
      case 1: std::ignore = rig.state->take_checkpoint(); break;
      case 2: std::ignore = rig.state->recover(); break;
      case 3: rig.disk->set_full(below(2) == 0); break;
      case 4: rig.disk->fail(kVerbs[below(kVerbs.size())], below(4) == 0 ? EIO : ENOSPC, static_cast<int>(below(4))); break;
      case 5:
        if (below(3) == 0) start_again();
        break;
      default: std::ignore = rig.try_commit(commits++); break;
    }
    if (rig.state->failure()) start_again();
    // Told, or not; never old.
    const int newest = commits - 1;
    const auto row = rig.state->get("seen", "k" + std::to_string(newest % 3), rig.clock.now());
    if (row && newest % 5 != 4) CHECK((*row ? (*row)->value : "nothing") == std::to_string(newest));
    CHECK(rig.state->checkpointed_sequence() <= rig.log.next_sequence(LogName::events));
  }
  rig.disk->fail_no_more();
  rig.disk->set_full(false);
  const auto recovered = rig.state->recover();
  if (rig.state->failure()) start_again();
  else REQUIRE_MESSAGE(recovered.has_value(), (recovered ? "" : recovered.error().message));
  check_stands_at(*rig.state, commits);
  start_again();
}

}  // namespace

TEST_CASE("whatever becomes of the disk, in whatever order, the state is what the log says") {
  const Silence silence;
  if (const char* given = std::getenv("PENSTOCK_STATE_SEED")) return run_by_chance(std::strtoull(given, nullptr, 10));
  const bool is_long = std::getenv("PENSTOCK_TEST_LONG") != nullptr;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(is_long ? 60 : 4);
  for (std::uint64_t seed = std::random_device()(); std::chrono::steady_clock::now() < end; ++seed) {
    CAPTURE(seed);
    INFO("again: PENSTOCK_STATE_SEED=", seed);
    run_by_chance(seed);
  }
}

}  // namespace penstock::state
