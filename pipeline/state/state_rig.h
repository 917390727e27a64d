#pragma once
// A derived state over a log in memory, and steps whose outcome can be told.

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "pipeline/state/derived_state.h"
#include "tests/conformance/sample_records.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::state {

struct Rig {
  fakes::ManualClock clock;
  fakes::MemoryLog log{clock};
  std::string data;
  std::string folder;
  rocksdb::Env* env = nullptr;

  // In memory where there is such a place: a disk would be synced thousands of times.
  Rig() {
    const auto parent = std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    data = (parent / "penstock-state-XXXXXX").string();
    REQUIRE(::mkdtemp(data.data()) != nullptr);
    folder = data + "/state";
  }
  ~Rig() { std::filesystem::remove_all(data); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  StateOptions options() const { return {.folder = folder, .checkpoints = data + "/checkpoints", .env = env}; }
  std::unique_ptr<DerivedState> open() {
    auto state = DerivedState::open(options(), log, clock);
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
inline Timestamp expiry(int number) { return Timestamp{4'102'444'800'000 + number}; }  // 2100

inline LogRecord step(int number) {
  LogRecord record = conformance::sample_record(0, number);
  record.positions = {{"orders", "a", std::to_string(number)}, {"order", "sa", "other"}};
  record.dead = {conformance::sample_dead_letter("bad " + std::to_string(number))};
  record.state = {{"seen", "k" + std::to_string(number % 3), std::to_string(number), number % 5 == 4, expiry(number)}};
  record.chain_version = static_cast<std::uint64_t>(number) + 100;
  return record;
}

// What `count` steps leave behind.
inline void check_stands_at(const DerivedState& state, int count) {
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

}  // namespace penstock::state
