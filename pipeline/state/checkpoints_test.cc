// What derived state can be made from again, when its folder is lost or damaged and the log has lost its beginning.

#include "pipeline/state/checkpoints.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "pipeline/state/rebuild.h"
#include "pipeline/state/state_rig.h"

namespace penstock::state {
namespace {

namespace fs = std::filesystem;

// Steps from..to, and a checkpoint after the last.
void commit_and_checkpoint(Rig& rig, DerivedState& state, int from, int to) {
  for (int i = from; i < to; ++i) rig.commit(step(i), &state);
  REQUIRE(state.take_checkpoint().has_value());
  CHECK(state.checkpointed_sequence() == static_cast<std::uint64_t>(to));
}

std::vector<Checkpoint> checkpoints_of(const Rig& rig) {
  return Checkpoints(rig.options().checkpoints, {rig.clock}).list().value();
}

void damage(const std::string& folder, std::string_view name_begins, std::string_view name_ends) {
  for (const auto& file : fs::directory_iterator(folder)) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with(name_begins) || !name.ends_with(name_ends)) continue;
    const std::string file_path = file.path().string();
    std::fstream bytes(file_path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(3);
    bytes.write("\0\0\0\0\0\0\0\0", 8);
  }
}

// As on another file system: a link would be damaged with the original.
void damage_apart(const std::string& folder, std::string_view name_begins, std::string_view name_ends) {
  fs::copy(folder, folder + ".apart");
  fs::remove_all(folder);
  fs::rename(folder + ".apart", folder);
  damage(folder, name_begins, name_ends);
}

}  // namespace

TEST_CASE("a lost state is made again from the newest checkpoint and what the log has after it") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 5);
    commit_and_checkpoint(rig, *state, 5, 9);
    for (int i = 9; i < 12; ++i) rig.commit(step(i), state.get());
  }
  fs::remove_all(rig.folder);
  rig.log.drop_records_before(LogName::events, 9);
  const auto state = rig.open();
  check_stands_at(*state, 12);
  CHECK_FALSE(state->complete_from().has_value());
  CHECK(state->checkpointed_sequence() == 9);
}

TEST_CASE("a damaged state is replaced in the same way") {
  for (const auto& [begins, ends] : {std::pair{"MANIFEST", ""}, std::pair{"CURRENT", ""}}) {
    CAPTURE(begins);
    Rig rig;
    {
      const auto state = rig.open();
      commit_and_checkpoint(rig, *state, 0, 9);
      for (int i = 9; i < 12; ++i) rig.commit(step(i), state.get());
    }
    damage(rig.folder, begins, ends);
    rig.log.drop_records_before(LogName::events, 9);
    check_stands_at(*rig.open(), 12);
    check_stands_at(*rig.open(), 12);
  }
}

TEST_CASE("a state that misses files is replaced in the same way") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 9);
    for (int i = 9; i < 12; ++i) rig.commit(step(i), state.get());
  }
  for (const auto& file : fs::directory_iterator(rig.folder))
    if (file.path().extension() == ".sst") fs::remove(file.path());
  rig.log.drop_records_before(LogName::events, 9);
  check_stands_at(*rig.open(), 12);
}

TEST_CASE("when the newest checkpoint is damaged, the one before it serves") {
  for (const auto& [begins, ends] : {std::pair{"MANIFEST", ""}, std::pair{"", ".sst"}}) {
    CAPTURE(begins);
    CAPTURE(ends);
    Rig rig;
    {
      const auto state = rig.open();
      commit_and_checkpoint(rig, *state, 0, 5);
      commit_and_checkpoint(rig, *state, 5, 9);
      for (int i = 9; i < 12; ++i) rig.commit(step(i), state.get());
    }
    damage_apart(checkpoints_of(rig).front().folder, begins, ends);
    fs::remove_all(rig.folder);
    rig.log.drop_records_before(LogName::events, 5);
    check_stands_at(*rig.open(), 12);
  }
}

TEST_CASE("a checkpoint that does not open counts for nothing, so that the log keeps what is needed without it") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 5);
    commit_and_checkpoint(rig, *state, 5, 9);
  }
  damage_apart(checkpoints_of(rig).front().folder, "MANIFEST", "");
  const auto state = rig.open();
  CHECK(state->checkpointed_sequence() == 5);
  commit_and_checkpoint(rig, *state, 9, 10);
}

TEST_CASE("with neither a checkpoint nor the whole log nothing is made, and the message says what goes on anyway") {
  Rig rig;
  for (int i = 0; i < 10; ++i) rig.commit(step(i), nullptr);
  rig.log.drop_records_before(LogName::events, 6);
  const auto state = DerivedState::open(rig.options(), rig.log, rig.clock);
  REQUIRE_FALSE(state.has_value());
  CHECK(state.error().kind == ErrorKind::corrupt);
  for (const char* said : {"there is no state in", "begins at record 6", "app.state", "rebuild-state", "--from-start"}) {
    CAPTURE(said);
    CHECK(state.error().message.find(said) != std::string::npos);
  }
  CHECK_FALSE(fs::exists(rig.folder));
}

TEST_CASE("the state of a log that lost records before they were applied is not gone on with") {
  Rig rig;
  {
    const auto state = rig.open();
    for (int i = 0; i < 3; ++i) rig.commit(step(i), state.get());
  }
  for (int i = 3; i < 10; ++i) rig.commit(step(i), nullptr);
  rig.log.drop_records_before(LogName::events, 6);
  CHECK_FALSE(DerivedState::open(rig.options(), rig.log, rig.clock).has_value());
  CHECK(fs::exists(rig.folder));
}

TEST_CASE("the newest two checkpoints are kept, and none is taken of what is known") {
  Rig rig;
  const auto state = rig.open();
  CHECK(state->take_checkpoint().has_value());
  CHECK(checkpoints_of(rig).empty());
  for (int i = 1; i < 5; ++i) commit_and_checkpoint(rig, *state, i - 1, i);
  CHECK(state->take_checkpoint().has_value());
  const auto kept = checkpoints_of(rig);
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].next_sequence == 4);
  CHECK(kept[1].next_sequence == 3);
}

TEST_CASE("a checkpoint is due when none is there, and then by the clock") {
  Rig rig;
  const auto taken_at = [](const DerivedState& state) { return state.checkpointed_sequence(); };
  {
    const auto state = rig.open();
    CHECK(state->take_checkpoint_if_due().has_value());
    CHECK(taken_at(*state) == 0);
    rig.commit(step(0), state.get());
    CHECK(state->take_checkpoint_if_due().has_value());
    CHECK(taken_at(*state) == 1);
    rig.commit(step(1), state.get());
    rig.clock.advance(StateOptions().checkpoint_every - Duration(1));
    CHECK(state->take_checkpoint_if_due().has_value());
    CHECK(taken_at(*state) == 1);
  }
  const auto state = rig.open();
  CHECK(state->take_checkpoint_if_due().has_value());
  CHECK(taken_at(*state) == 1);
  rig.clock.advance(Duration(1));
  CHECK(state->take_checkpoint_if_due().has_value());
  CHECK(taken_at(*state) == 2);
}

TEST_CASE("checkpoints of a log that was replaced are never used for the new one") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 3);
    commit_and_checkpoint(rig, *state, 3, 9);
  }
  fakes::MemoryLog other(rig.clock);
  for (int i = 0; i < 5; ++i) conformance::append_and_wait(other, LogName::events, step(i + 100)).value();
  CHECK_FALSE(DerivedState::open(rig.options(), other, rig.clock).has_value());
  CHECK(checkpoints_of(rig).size() == 2);  // the log may be put back
  REQUIRE(rebuild(rig.options(), RebuildFrom::start, other, rig.clock).has_value());
  CHECK(checkpoints_of(rig).empty());
}

TEST_CASE("checkpoints beyond the end of the log count for nothing, and go once a start goes on") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 3);
    commit_and_checkpoint(rig, *state, 3, 9);
  }
  fs::remove_all(rig.folder);
  fakes::MemoryLog cut(rig.clock);
  for (int i = 0; i < 5; ++i) conformance::append_and_wait(cut, LogName::events, step(i)).value();
  const auto state = DerivedState::open(rig.options(), cut, rig.clock);
  REQUIRE(state.has_value());
  check_stands_at(**state, 5);
  CHECK((*state)->checkpointed_sequence() == 3);
  CHECK(checkpoints_of(rig).size() == 2);
  REQUIRE((*state)->remove_useless_checkpoints().has_value());
  REQUIRE(checkpoints_of(rig).size() == 1);
  CHECK(checkpoints_of(rig).front().next_sequence == 3);
}

TEST_CASE("a checkpoint that a start found damaged goes once it goes on") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 5);
    commit_and_checkpoint(rig, *state, 5, 9);
  }
  damage_apart(checkpoints_of(rig).front().folder, "", ".sst");
  fs::remove_all(rig.folder);
  const auto state = rig.open();
  check_stands_at(*state, 9);
  CHECK(state->checkpointed_sequence() == 5);
  REQUIRE(state->remove_useless_checkpoints().has_value());
  REQUIRE(checkpoints_of(rig).size() == 1);
  CHECK(checkpoints_of(rig).front().next_sequence == 5);
}

TEST_CASE("what a damaged state would be made from is looked for block by block") {
  Rig rig;
  {
    const auto state = rig.open();
    commit_and_checkpoint(rig, *state, 0, 5);
    commit_and_checkpoint(rig, *state, 5, 9);
  }
  const auto kept = checkpoints_of(rig);
  const auto look = [&] { return look_for_checkpoint(rig.options(), rig.log, rig.clock); };
  CHECK(look().value() == kept.front().folder);
  damage_apart(kept.front().folder, "", ".sst");
  CHECK(look().value() == kept.back().folder);
  damage_apart(kept.back().folder, "", ".sst");
  CHECK(look().value().empty());
  rig.log.drop_records_before(LogName::events, 5);
  const auto nothing = look();
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().message.find("--from-start") != std::string::npos);
  CHECK(checkpoints_of(rig).size() == 2);
}

TEST_CASE("a kill while one state replaces another leaves the old one, which is then whole again") {
  Rig rig;
  {
    const auto state = rig.open();
    for (int i = 0; i < 6; ++i) rig.commit(step(i), state.get());
  }
  rig.log.drop_records_before(LogName::events, 6 - 1);
  fs::rename(rig.folder, rig.folder + ".old");
  fs::create_directory(rig.folder + ".new");
  check_stands_at(*rig.open(), 6);
  CHECK_FALSE(fs::exists(rig.folder + ".old"));
}

TEST_CASE("what a kill left of a checkpoint is no checkpoint, and not in the way of the next") {
  Rig rig;
  const auto state = rig.open();
  fs::create_directories(rig.options().checkpoints + "/draft.tmp/half");
  fs::create_directories(rig.options().checkpoints + "/draft");
  fs::create_directories(rig.options().checkpoints + "/leaving/half");
  CHECK(checkpoints_of(rig).empty());
  commit_and_checkpoint(rig, *state, 0, 2);
  CHECK(checkpoints_of(rig).size() == 1);
}

TEST_CASE("a copy of a state that goes on is a state of its own") {
  Rig rig;
  const auto state = rig.open();
  for (int i = 0; i < 4; ++i) rig.commit(step(i), state.get());
  const std::string copy = rig.data + "/copy";
  REQUIRE(state->copy_to(copy).has_value());
  for (int i = 4; i < 6; ++i) rig.commit(step(i), state.get());
  const auto other = DerivedState::open({.folder = copy, .checkpoints = rig.data + "/none"}, rig.log, rig.clock);
  REQUIRE(other.has_value());
  check_stands_at(**other, 6);
  check_stands_at(*state, 6);
}

}  // namespace penstock::state
