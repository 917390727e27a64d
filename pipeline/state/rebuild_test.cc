#include "pipeline/state/rebuild.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "pipeline/state/state_rig.h"

namespace penstock::state {
namespace {

namespace fs = std::filesystem;

// Twelve steps, of which a checkpoint has nine; and a row that no commit says, as a state that went wrong would have.
void make_wrong_state(Rig& rig) {
  const auto state = rig.open();
  for (int i = 0; i < 9; ++i) rig.commit(step(i), state.get());
  REQUIRE(state->take_checkpoint().has_value());
  for (int i = 9; i < 12; ++i) rig.commit(step(i), state.get());
  REQUIRE(state->remove_dead_letters({state->dead_letters().list({}, {}).value().front().id}).has_value());
}

}  // namespace

TEST_CASE("a state is made anew from the newest checkpoint") {
  Rig rig;
  make_wrong_state(rig);
  rig.log.drop_records_before(LogName::events, 9);
  const auto rebuilt = rebuild(rig.options(), RebuildFrom::newest_checkpoint, rig.log, rig.clock);
  REQUIRE(rebuilt.has_value());
  CHECK(rebuilt->checkpoint.find("checkpoints/00000000000000000009-") != std::string::npos);
  CHECK(rebuilt->commits == 3);
  CHECK_FALSE(rebuilt->complete_from.has_value());
  check_stands_at(*rig.open(), 12);
}

TEST_CASE("from the start, it is made from every record of a log that is whole") {
  Rig rig;
  make_wrong_state(rig);
  const auto rebuilt = rebuild(rig.options(), RebuildFrom::start, rig.log, rig.clock);
  REQUIRE(rebuilt.has_value());
  CHECK(rebuilt->checkpoint.empty());
  CHECK(rebuilt->commits == 12);
  CHECK_FALSE(rebuilt->complete_from.has_value());
  check_stands_at(*rig.open(), 12);
}

TEST_CASE(
    "without a checkpoint and without the log's beginning, only from the start; and it says from when on it is complete") {
  Rig rig;
  for (int i = 0; i < 10; ++i) {
    rig.clock.advance(Duration(1'000));
    rig.commit(step(i), nullptr);
  }
  const Timestamp seventh{rig.clock.now().ms - 3'000};
  rig.log.drop_records_before(LogName::events, 6);
  const auto refused = rebuild(rig.options(), RebuildFrom::newest_checkpoint, rig.log, rig.clock);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("--from-start") != std::string::npos);
  const auto rebuilt = rebuild(rig.options(), RebuildFrom::start, rig.log, rig.clock);
  REQUIRE(rebuilt.has_value());
  CHECK(rebuilt->commits == 4);
  CHECK(rebuilt->complete_from == seventh);
  const auto state = rig.open();
  CHECK(state->next_sequence() == 10);
  CHECK(state->dead_letters().count({}).value() == 4);
  CHECK(state->complete_from() == seventh);
}

TEST_CASE("a rebuild that fails leaves the state that was there") {
  Rig rig;
  make_wrong_state(rig);
  rig.log.fail_next_read({ErrorKind::io, "the disk is away"});
  CHECK_FALSE(rebuild(rig.options(), RebuildFrom::start, rig.log, rig.clock).has_value());
  CHECK(rig.open()->dead_letters().count({}).value() == 11);
}

TEST_CASE("what a killed rebuild left is not in the way of the next one") {
  Rig rig;
  make_wrong_state(rig);
  fs::create_directories(rig.folder + ".new");
  fs::copy(rig.folder, rig.folder + ".old");
  REQUIRE(rebuild(rig.options(), RebuildFrom::start, rig.log, rig.clock).has_value());
  check_stands_at(*rig.open(), 12);
  CHECK_FALSE(fs::exists(rig.folder + ".new"));
  CHECK_FALSE(fs::exists(rig.folder + ".old"));
}

}  // namespace penstock::state
