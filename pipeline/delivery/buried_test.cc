// Events that were dead letters already when a process died whose cursor had not passed them: the next one reads them again.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "pipeline/delivery/runner_rig.h"

namespace penstock::delivery {
namespace {

// The cursor stays before the first batch, for its second event is put off again and again.
struct HeldUp : Rig {
  HeldUp() {
    settings.order = Order::key;
    settings.batch = {.events = 10, .bytes = 1_MiB, .within = Duration{10}};
    settings.suspend.share = 1;
    distinct_ids = 2;
    crm.answer_with([](const Batch& batch) {
      if (contains(batch, body_of(1))) return Outcomes::all(rejected());
      return Outcomes::all(contains(batch, body_of(2)) ? retry() : Outcome::delivered());
    });
  }
  void run_and_die() {
    start();
    add(6);
    pass_within();
    advance(Duration{3000});
    REQUIRE_FALSE(everything_settled());
  }
  void live_again() {
    crash();
    crm.deliver_everything();
    start();
    runner->hurry();
    for (int i = 0; i < 20; ++i) advance(Duration{1000});
    REQUIRE(everything_settled());
  }
  void discard(const std::string& body) {
    for (const auto& letter : dead()) {
      if (letter.body == body) REQUIRE(store->discard(std::vector{dead_letter_id(letter)}).has_value());
    }
    runner->letters_discarded();
    for (int i = 0; i < 3; ++i) advance(Duration{1000});
  }
  int times_delivered(int number) { return static_cast<int>(std::ranges::count(crm.delivered(), body_of(number))); }
};

DeadLetter letter_at(std::int32_t partition, std::uint64_t offset) {
  DeadLetter letter;
  letter.stage = "crm";
  letter.place = fmt::format("events, partition {}, offset {}", partition, offset);
  letter.partition = partition;
  letter.offset = offset;
  return letter;
}

}  // namespace

TEST_CASE("an event that is a dead letter is not sent behind those that went because it is one") {
  HeldUp rig;
  rig.run_and_die();
  REQUIRE(rig.dead_bodies() == bodies(1, 1));
  REQUIRE(rig.times_delivered(3) == 1);
  rig.live_again();
  CHECK(rig.dead_bodies() == bodies(1, 1));
  CHECK(rig.times_delivered(1) == 0);
  CHECK(rig.times_delivered(2) == 1);
}

TEST_CASE("a letter that was discarded, and what waited behind it, stay as they are when their events are read again") {
  HeldUp rig;
  rig.settings.on_dead = OnDead::block;
  rig.run_and_die();
  REQUIRE(rig.dead().size() == 3);
  rig.discard(body_of(1));
  REQUIRE(rig.dead().empty());
  REQUIRE(rig.times_delivered(3) == 1);
  rig.live_again();
  CHECK(rig.dead().empty());
  CHECK(rig.times_delivered(1) == 0);
  CHECK(rig.times_delivered(3) == 1);
  CHECK(rig.times_delivered(2) == 1);
  CHECK(rig.runner->status().blocked_keys == 0);
}

TEST_CASE("what was buried is known until the cursor has passed it, and is no other event at its place") {
  Rig rig;
  const DeadLetter letter = letter_at(1, 7);
  REQUIRE(rig.store->bury(std::vector{letter, letter_at(1, 9), letter_at(2, 0)}).has_value());
  REQUIRE(rig.store->bury(std::vector{letter_at(0, 3)}, Sent::beside).has_value());
  CHECK(rig.store->buried_until("crm", 4).value() == Offsets{0, 10, 1, 0});
  CHECK(rig.store->buried_until("cr", 4).value() == Offsets{0, 0, 0, 0});
  REQUIRE(rig.store->discard(std::vector{dead_letter_id(letter)}).has_value());
  CHECK(rig.store->was_buried(letter).value());
  CHECK_FALSE(rig.store->was_buried(letter_at(1, 8)).value());
  CHECK_FALSE(rig.store->was_buried(letter_at(0, 3)).value());
  DeadLetter another = letter;  // the log lost its end, and went on
  another.received_at = rig.clock.now();
  CHECK_FALSE(rig.store->was_buried(another).value());

  REQUIRE(rig.store->save_cursor("crm", {0, 8, 0, 0}, Sync::no).has_value());
  CHECK_FALSE(rig.store->was_buried(letter).value());
  CHECK(rig.store->was_buried(letter_at(1, 9)).value());
  rig.open_store();
  CHECK(rig.store->buried_until("crm", 4).value() == Offsets{0, 10, 1, 0});
  REQUIRE(rig.store->save_cursor("crm", {0, 10, 1, 0}, Sync::no).has_value());
  CHECK(rig.store->buried_until("crm", 4).value() == Offsets{0, 0, 0, 0});
  REQUIRE(rig.store->bury(std::vector{letter_at(1, 20)}).has_value());
  REQUIRE(rig.store->forget_cursor("crm").has_value());
  CHECK(rig.store->buried_until("crm", 4).value() == Offsets{0, 0, 0, 0});
}

}  // namespace penstock::delivery
