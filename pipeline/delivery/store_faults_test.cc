// Delivery's store on a disk that fills up, fails, and loses its power: what was acknowledged is there, what was refused was
// not stored, and it goes on when there is room.
#include <doctest/doctest.h>

#include <cerrno>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "pipeline/base/log.h"
#include "pipeline/delivery/runner_rig.h"
#include "tests/fakes/faulty_file_system.h"

namespace penstock::delivery {
namespace {

using fakes::FaultyFileSystem;
using Verb = FaultyFileSystem::Verb;
using Unsynced = FaultyFileSystem::Unsynced;

DeadLetter letter_number(int number) {
  DeadLetter letter;
  letter.stage = "crm";
  letter.code = "rejected";
  letter.received_at = Timestamp{1000 + number};
  return letter;
}

DeadLetter letter_saying(int number, std::string body) {
  DeadLetter letter = letter_number(number);
  letter.body = std::move(body);
  return letter;
}

void damage_table_with(const std::string& folder, std::string_view text) {
  bool found = false;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".sst") continue;
    std::ifstream in(file.path(), std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(in)), {});
    const auto at = content.find(text);
    if (at == std::string::npos) continue;
    content[at] ^= 0x10;
    std::ofstream(file.path(), std::ios::binary) << content;
    found = true;
  }
  REQUIRE(found);
}

struct Shelf {
  Shelf() { open(); }
  void open() {
    auto opened = DeliveryStore::open(folder.path(), clock, disk->env());
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    store = *std::move(opened);
  }
  // Each time its tables become one more.
  void open_again() {
    store.reset();
    open();
  }
  void cut_power(Unsynced unsynced) {
    disk->power_off();
    store.reset();
    disk->power_on(unsynced);
    disk->set_full(false);
  }
  bool has(int number) const { return store->dead_letters().get(dead_letter_id(letter_number(number))).has_value(); }
  Result<void> bury(int number) { return store->bury(std::vector{letter_number(number)}); }

  TemporaryFolder folder;
  fakes::ManualClock clock;
  std::shared_ptr<FaultyFileSystem> disk = FaultyFileSystem::make();
  std::unique_ptr<DeliveryStore> store;
};

ReplayOrder order_to(std::uint64_t end) {
  ReplayOrder order;
  order.next = {0};
  order.to = {end};
  order.total = end;
  return order;
}

}  // namespace

TEST_CASE("on a full disk nothing is half stored, and the store goes on when there is room") {
  Shelf shelf;
  REQUIRE(shelf.bury(0).has_value());
  REQUIRE(shelf.store->save_cursor("crm", {5}, Sync::no).has_value());
  shelf.disk->set_full(true);
  const auto refused = shelf.bury(1);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::unavailable);
  CHECK(refused.error().message.find("No space left on device") != std::string::npos);
  CHECK_FALSE(shelf.store->save_cursor("crm", {6}, Sync::no).has_value());
  CHECK_FALSE(shelf.store->save_replay("crm", order_to(9), Sync::yes).has_value());
  CHECK_FALSE(shelf.store->want_again(dead::Filter{.stage = "crm", .code = {}, .since = {}}).has_value());
  CHECK_FALSE(shelf.store->discard(std::vector{dead_letter_id(letter_number(0))}).has_value());
  CHECK(shelf.has(0));
  CHECK_FALSE(shelf.has(1));
  CHECK_FALSE(shelf.store->replay("crm").value().has_value());
  CHECK(shelf.store->count_wanted("crm", 10).value() == 0);
  CHECK(shelf.store->cursor("crm").value()->next == Offsets{5});
  CHECK_FALSE(shelf.store->failure());

  shelf.disk->set_full(false);
  REQUIRE(shelf.bury(2).has_value());
  CHECK(shelf.has(0));
  CHECK_FALSE(shelf.has(1));
  CHECK(shelf.store->cursor("crm").value()->next == Offsets{5});
  shelf.cut_power(Unsynced::lost);
  shelf.open();
  CHECK(shelf.has(0));
  CHECK_FALSE(shelf.has(1));
  CHECK(shelf.has(2));
}

TEST_CASE("a start on a full disk says what to do, and succeeds when there is room") {
  Shelf shelf;
  REQUIRE(shelf.bury(0).has_value());
  shelf.cut_power(Unsynced::lost);
  shelf.disk->set_full(true);
  const auto refused = DeliveryStore::open(shelf.folder.path(), shelf.clock, shelf.disk->env());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::unavailable);
  CHECK(refused.error().message.find("make room on its disk, and start again") != std::string::npos);
  shelf.disk->set_full(false);
  shelf.open();
  CHECK(shelf.has(0));
}

TEST_CASE("after a sync that failed the store says that nothing can be written, and keeps what was acknowledged") {
  Shelf shelf;
  REQUIRE(shelf.bury(0).has_value());
  shelf.disk->fail(Verb::sync, EIO);
  CHECK_FALSE(shelf.bury(1).has_value());
  const auto failure = shelf.store->failure();
  REQUIRE(failure);
  CHECK(failure->message.find("delivery's store in " + shelf.folder.path() + " cannot be written any more") !=
        std::string::npos);
  CHECK(shelf.bury(2).error().kind == ErrorKind::io);
  CHECK(shelf.has(0));
  shelf.cut_power(Unsynced::lost);
  shelf.open();
  CHECK(shelf.has(0));
  CHECK_FALSE(shelf.has(2));
}

TEST_CASE("a damaged table that compaction meets is told, and the store goes on with what is whole") {
  Shelf shelf;
  REQUIRE(shelf.store->bury(std::vector{letter_saying(0, "of the damaged table")}).has_value());
  shelf.open_again();
  const auto bury_among_the_others = [&](int number) {
    REQUIRE(shelf.store->bury(std::vector{letter_number(-number), letter_number(number)}).has_value());
    shelf.open_again();
  };
  for (int i = 1; i < 3; ++i) bury_among_the_others(i);
  shelf.store.reset();
  damage_table_with(shelf.folder.path(), "of the damaged table");
  shelf.open();
  // The fourth table is one for compaction, when the next comes. Those that do not overlap would only be moved.
  for (int i = 3; i < 6; ++i) bury_among_the_others(i);
  while (!shelf.store->damage() && !shelf.store->failure()) std::this_thread::yield();
  CHECK_FALSE(shelf.store->failure());
  REQUIRE(shelf.store->damage());
  CHECK(shelf.store->damage()->message.find("`penstock doctor --verify`") != std::string::npos);

  const auto unread = shelf.store->dead_letters().get(dead_letter_id(letter_number(0)));
  REQUIRE_FALSE(unread.has_value());
  CHECK(unread.error().kind == ErrorKind::corrupt);
  CHECK(unread.error().message.find("`penstock doctor --verify`") != std::string::npos);
  for (int i = 6; i < 60; ++i) REQUIRE(shelf.bury(i).has_value());
  for (int i = 1; i < 60; ++i) CHECK(shelf.has(i));
  REQUIRE(shelf.store->save_cursor("crm", {7}, Sync::yes));
  shelf.cut_power(Unsynced::lost);
  shelf.open();
  CHECK(shelf.has(59));
  CHECK(shelf.store->cursor("crm").value()->next == Offsets{7});
}

TEST_CASE("dead letters to be sent again that cannot be read are told at their destination, which goes on") {
  Rig rig;
  REQUIRE(rig.store->bury(std::vector{letter_saying(0, "of the damaged table")}).has_value());
  REQUIRE(rig.store->want_again(dead::Filter{.stage = "crm", .code = {}, .since = {}}).value() == 1);
  rig.open_store();
  rig.store.reset();
  damage_table_with(rig.folder.path() + "/delivery", "of the damaged table");
  rig.open_store();
  rig.start();
  rig.add(3);
  rig.pass_within();
  CHECK(rig.everything_settled());
  const auto condition = rig.runner->status().condition;
  CHECK(condition.health == Health::healthy);
  CHECK(condition.reason.find("dead letters to be sent again cannot be read: ") == 0);
  CHECK(condition.reason.find("`penstock doctor --verify`") != std::string::npos);
  CHECK_FALSE(rig.store->failure());
}

TEST_CASE("a dead letter that cannot be read is passed over and named, and the others are sent again") {
  silence_log();
  Rig rig;
  REQUIRE(rig.store->bury(std::vector{letter_saying(0, "of the damaged table")}).has_value());
  rig.open_store();
  REQUIRE(rig.store->bury(std::vector{letter_saying(1, "whole"), letter_saying(2, "whole too")}).has_value());
  REQUIRE(rig.store->want_again(dead::Filter{.stage = "crm", .code = {}, .since = {}}).value() == 3);
  rig.open_store();
  rig.store.reset();
  damage_table_with(rig.folder.path() + "/delivery", "of the damaged table");
  rig.open_store();
  rig.start();
  rig.advance(Duration{1000});
  CHECK(rig.crm.delivered() == std::vector<std::string>{"whole", "whole too"});
  CHECK(rig.store->count_wanted("crm", 10).value() == 1);
  CHECK(rig.runner->status().condition.reason.find("dead letters to be sent again cannot be read: ") == 0);
  REQUIRE(rig.store->discard(std::vector{dead_letter_id(letter_number(0))}).has_value());
  rig.advance(Duration{20'000});
}

// One of its reads fails, each in its turn.
TEST_CASE("letters are sent again in order when the disk could not be read for a moment") {
  silence_log();
  bool blocks = false;
  SUBCASE("each by itself") {}
  SUBCASE("behind those before them of their key") { blocks = true; }
  bool met = true;
  int reads = 0;
  for (; met; ++reads) {
    CAPTURE(reads);
    const auto disk = FaultyFileSystem::make();
    Rig rig;
    rig.env = disk->env();
    rig.open_store();
    if (blocks) {
      rig.settings.order = Order::key;
      rig.settings.on_dead = OnDead::block;
    }
    std::vector<DeadLetter> letters;
    for (int i = 0; i < 6; ++i) {
      letters.push_back(letter_saying(i, body_of(i)));
      letters.back().distinct_id = i % 2 == 0 ? "even" : "odd";
      letters.back().offset = static_cast<std::uint64_t>(i);
    }
    REQUIRE(rig.store->bury(letters).has_value());
    REQUIRE(rig.store->want_again(dead::Filter{}).value() == 6);
    rig.open_store();
    const int before = disk->calls(Verb::read);
    disk->fail(Verb::read, EIO, reads);
    try {
      rig.start();
    } catch (const std::bad_expected_access<Error>&) {
      rig.start();
    }
    met = disk->calls(Verb::read) - before > reads;
    rig.advance(Duration{30'000});
    std::vector<std::string> even;
    std::vector<std::string> odd;
    for (const auto& body : rig.crm.delivered()) ((body[body.size() - 2] - '0') % 2 == 0 ? even : odd).push_back(body);
    if (!blocks) {  // one that could not be read comes later
      std::ranges::sort(even);
      std::ranges::sort(odd);
    }
    CHECK(even == std::vector{body_of(0), body_of(2), body_of(4)});
    CHECK(odd == std::vector{body_of(1), body_of(3), body_of(5)});
    CHECK(rig.dead().empty());
    CHECK(rig.runner->status().condition.reason.empty());
    rig.runner.reset();
    rig.store.reset();
  }
  CHECK(reads > 1);
}

// Every call that writes fails once, in its turn; then the power goes.
TEST_CASE("whichever call fails, what was acknowledged is there, and what was refused for want of room is not") {
  silence_log();
  int error = 0;
  int waited = 0;
  SUBCASE("for want of room") { error = ENOSPC; }
  SUBCASE("for good") { error = EIO; }
  bool met = true;
  int calls = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    Shelf shelf;
    const int before = shelf.disk->calls(Verb::any);
    shelf.disk->fail(Verb::any, error, calls);
    std::vector<int> acknowledged;
    std::vector<int> refused;
    std::uint64_t cursor = 0;
    std::optional<std::uint64_t> replay_to;
    for (int i = 0; i < 4; ++i) {
      (shelf.bury(i) ? acknowledged : refused).push_back(i);
      if (shelf.store->save_cursor("crm", {static_cast<std::uint64_t>(i)}, Sync::yes))
        cursor = static_cast<std::uint64_t>(i);
      if (shelf.store->save_replay("crm", order_to(10U + static_cast<unsigned>(i)), Sync::yes))
        replay_to = 10 + static_cast<std::uint64_t>(i);
    }
    met = shelf.disk->calls(Verb::any) - before > calls;
    shelf.disk->fail_no_more();
    const bool waits = !shelf.store->failure();  // else a sync failed
    if (error == ENOSPC && waits) {
      REQUIRE(shelf.bury(9).has_value());
      acknowledged.push_back(9);
      ++waited;
      for (const int number : refused) CHECK_FALSE(shelf.has(number));
    }
    shelf.cut_power(Unsynced::lost);
    shelf.open();
    for (const int number : acknowledged) CHECK(shelf.has(number));
    if (error == ENOSPC && waits) {
      for (const int number : refused) CHECK_FALSE(shelf.has(number));
      REQUIRE(shelf.store->replay("crm").value());
      CHECK(shelf.store->replay("crm").value()->to == Offsets{*replay_to});
    }
    const auto kept = shelf.store->cursor("crm").value();
    CHECK((kept ? kept->next.at(0) : 0) >= cursor);
  }
  CHECK(calls > 10);
  CHECK((error == EIO || waited > 5));
}

}  // namespace penstock::delivery
