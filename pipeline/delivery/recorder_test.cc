#include "pipeline/delivery/recorder.h"

#include <doctest/doctest.h>

#include "tests/fakes/manual_executor.h"

namespace penstock::delivery {
namespace {

struct Desk {
  Desk() {
    home.belong_to(life);
    recorder.emplace(
        home, executor.make_strand(), clock,
        Recorder::Store{.bury = [this](auto letters, Sent) { return bury(letters); },
                        .discard = [this](auto ids) { return discarded += ids.size(), Result<void>(); },
                        .release = [this](auto keys) -> Result<DeliveryStore::Released> {
                          if (fails()) return fail(ErrorKind::io, "No space left on device");
                          return DeliveryStore::Released{{keys.begin(), keys.end()}, true};
                        },
                        .save_cursor = [this](const Offsets& next) { return saved.push_back(next), Result<void>(); },
                        .save_replay = [this](const auto& order) { return save_replay(order); }},
        [this](const auto& burials, std::size_t, const DeliveryStore::Released& released) {
          settled += burials.size();
          freed += released.free.size();
        });
  }
  Result<void> bury(std::span<const DeadLetter> letters) {
    if (fails()) return fail(ErrorKind::io, "No space left on device");
    writes.push_back(letters.size());
    return {};
  }

  bool fails() { return failures > 0 && failures-- > 0; }
  Result<void> save_replay(const std::optional<ReplayOrder>& order) {
    if (fails()) return fail(ErrorKind::unavailable, "No space left on device");
    replays.push_back(order.has_value());
    return {};
  }

  fakes::ManualClock clock;
  fakes::ManualExecutor executor{clock};
  std::shared_ptr<int> life = std::make_shared<int>();
  Home home{executor.make_strand()};
  std::optional<Recorder> recorder;
  int failures = 0;
  std::vector<std::size_t> writes;
  std::vector<Offsets> saved;
  std::vector<bool> replays;  // false: it is over
  std::size_t settled = 0;
  std::size_t discarded = 0;
  std::size_t freed = 0;
};

}  // namespace

TEST_CASE("letters that come during a write go together with the next") {
  Desk desk;
  for (int i = 0; i < 5; ++i) {
    desk.recorder->bury({}, 1);
    desk.recorder->write();
  }
  CHECK(desk.settled == 0);
  CHECK_FALSE(desk.recorder->idle());
  desk.executor.run_ready();
  CHECK(desk.writes == std::vector<std::size_t>{1, 4});
  CHECK(desk.settled == 5);
  CHECK(desk.recorder->idle());
}

TEST_CASE("letters are written in pieces, and counted until they are durable") {
  Desk desk;
  DeadLetter letter;
  letter.body = std::string(700'000, 'x');
  for (int i = 0; i < 5; ++i) desk.recorder->bury(letter, 1);
  CHECK(desk.recorder->letters_bytes() > 3'500'000);
  desk.failures = 1;
  desk.recorder->write();
  desk.executor.run_ready();
  CHECK(desk.recorder->letters_bytes() > 3'500'000);
  desk.executor.advance(Duration{3000});
  CHECK(desk.writes == std::vector<std::size_t>{2, 2, 1});
  CHECK(desk.settled == 5);
  CHECK(desk.recorder->letters_bytes() == 0);
}

TEST_CASE("letters that could not be written are not settled, and are written again") {
  Desk desk;
  desk.failures = 3;
  desk.recorder->bury({}, 1);
  desk.recorder->write();
  desk.executor.run_ready();
  CHECK(desk.settled == 0);
  REQUIRE(desk.recorder->letters_failure());
  CHECK(desk.recorder->letters_waiting() == 1);
  desk.recorder->bury({}, 2);
  desk.executor.advance(Duration{3000});
  CHECK(desk.writes == std::vector<std::size_t>{2});
  CHECK(desk.settled == 2);
  CHECK_FALSE(desk.recorder->letters_failure());
}

TEST_CASE("keys that could not be released are released later") {
  Desk desk;
  desk.failures = 2;
  desk.recorder->release(1);
  desk.recorder->release(2);
  desk.recorder->write();
  desk.executor.run_ready();
  CHECK(desk.recorder->letters_failure());
  desk.executor.advance(Duration{3000});
  CHECK(desk.freed == 2);
  CHECK_FALSE(desk.recorder->letters_failure());
}

TEST_CASE("the end of a replay that could not be written is written again, unless there is newer") {
  Desk desk;
  desk.failures = 2;
  desk.recorder->save_replay(std::nullopt);
  desk.recorder->write();
  desk.executor.run_ready();
  CHECK(desk.recorder->cursor_failure());
  CHECK_FALSE(desk.recorder->idle());
  desk.executor.advance(Duration{3000});
  CHECK(desk.replays == std::vector<bool>{false});
  CHECK(desk.recorder->idle());
  CHECK_FALSE(desk.recorder->cursor_failure());

  desk.failures = 1;
  desk.recorder->save_replay(std::nullopt);
  desk.recorder->write();
  desk.recorder->save_replay(ReplayOrder{});
  desk.executor.run_ready();
  desk.executor.advance(Duration{3000});
  CHECK(desk.replays == std::vector<bool>{false, true});
}

TEST_CASE("what comes back after the owner has gone is dropped") {
  Desk desk;
  desk.recorder->bury({}, 1);
  desk.recorder->save_cursor({3});
  desk.recorder->write();
  desk.life.reset();
  desk.executor.run_ready();
  CHECK(desk.writes.size() == 1);
  CHECK(desk.saved == std::vector<Offsets>{{3}});
  CHECK(desk.settled == 0);
}

}  // namespace penstock::delivery
