// All that a destination, and a person, ask of delivery's store, one after another, on a disk of which each call fails once, in its
// turn: what was done is there, what was refused was not done, and it can be asked for again.
#include <doctest/doctest.h>

#include <cerrno>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "pipeline/base/log.h"
#include "pipeline/delivery/dead_keys.h"
#include "pipeline/delivery/runner_rig.h"
#include "tests/fakes/faulty_file_system.h"

namespace penstock::delivery {
namespace {

using fakes::FaultyFileSystem;
using Verb = FaultyFileSystem::Verb;
using Unsynced = FaultyFileSystem::Unsynced;

const std::string kUsers[] = {"even", "odd"};

DeadLetter letter_number(int number, std::string code) {
  DeadLetter letter;
  letter.stage = "crm";
  letter.code = std::move(code);
  letter.distinct_id = kUsers[number % 2];
  letter.offset = static_cast<std::uint64_t>(number);
  letter.received_at = Timestamp{1000 + number};
  letter.body = body_of(number);
  return letter;
}

std::string id_of(int number) { return dead_letter_id(letter_number(number, {})); }

ReplayOrder some_replay() {
  ReplayOrder order;
  order.next = {0};
  order.to = {9};
  order.total = 9;
  return order;
}

// All that can be seen of it.
struct Contents {
  std::map<std::string, std::string> letters;  // code, by id
  std::vector<std::string> wanted;
  std::uint64_t wanted_count = 0;
  std::vector<std::vector<std::string>> of_users;
  std::vector<std::pair<OrderKey, std::uint64_t>> firsts;
  std::string blocker;
  std::optional<Offsets> cursor;
  std::size_t cursors = 0;
  std::optional<ReplayOrder> replay;

  friend bool operator==(const Contents&, const Contents&) = default;
};

Result<Contents> read_contents(const DeliveryStore& store) {
  Contents found;
  TRY_ASSIGN(const auto letters,
             store.dead_letters().list({}, {.limit = 100, .after = {}, .order = dead::Order::oldest_first}));
  for (const auto& each : letters) found.letters[each.id] = each.letter.code;
  TRY_ASSIGN(const auto wanted, store.wanted("crm", 100));
  if (!wanted.unread.empty()) return fail(wanted.unread.front().error);
  for (const auto& each : wanted.letters) found.wanted.push_back(each.id);
  TRY_ASSIGN(found.wanted_count, store.count_wanted("crm", 100));
  for (const auto& user : kUsers) {
    TRY_ASSIGN(auto first, store.first_of("crm", order_key("", user), 100));
    found.of_users.push_back(std::move(first));
  }
  TRY_ASSIGN(const auto keys, store.dead_keys("crm"));
  for (const auto& each : keys) found.firsts.emplace_back(each.key, each.offset);
  TRY_ASSIGN(const auto blocker, store.first_blocker("crm"));
  if (blocker) found.blocker = blocker->id;
  TRY_ASSIGN(const auto cursor, store.cursor("crm"));
  if (cursor) found.cursor = cursor->next;
  TRY_ASSIGN(const auto cursors, store.cursors());
  found.cursors = cursors.size();
  TRY_ASSIGN(found.replay, store.replay("crm"));
  return found;
}

struct Shelf {
  Result<void> try_open() {
    store.reset();
    TRY_ASSIGN(store, DeliveryStore::open(folder.path() + "/delivery", clock, disk->env()));
    return {};
  }
  void open() {
    const auto opened = try_open();
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
  }
  // One that cannot be read for a moment can be read the next.
  Contents contents() const {
    auto found = read_contents(*store);
    if (!found) {
      check_says(found.error());
      found = read_contents(*store);
    }
    REQUIRE_MESSAGE(found.has_value(), (found ? "" : found.error().message));
    return *found;
  }
  void check_says(const Error& error) const {
    CHECK_MESSAGE(error.message.find(folder.path()) != std::string::npos, error.message);
  }
  void cut_power(Unsynced unsynced) {
    disk->power_off();
    store.reset();
    disk->power_on(unsynced);
  }

  TemporaryFolder folder;
  fakes::ManualClock clock;
  std::shared_ptr<FaultyFileSystem> disk = FaultyFileSystem::make();
  std::unique_ptr<DeliveryStore> store;
};

template <class Value>
Result<void> done(const Result<Value>& made) {
  return made ? Result<void>() : fail(made.error());
}

using Step = std::function<Result<void>(Shelf&)>;

// Each can be done again without harm.
const std::vector<Step>& steps() {
  static const std::vector<Step> all{
      [](Shelf& shelf) {
        std::vector<DeadLetter> letters;
        for (int i = 0; i < 8; ++i) letters.push_back(letter_number(i, i < 2 ? "rejected" : std::string(kBehindDead)));
        return shelf.store->bury(letters);
      },
      [](Shelf& shelf) { return shelf.store->save_cursor("crm", {8}, Sync::yes); },
      [](Shelf& shelf) {
        return done(shelf.store->want_again(dead::Filter{.stage = "crm", .code = "rejected", .since = {}}));
      },
      // It died again.
      [](Shelf& shelf) { return shelf.store->bury(std::vector{letter_number(0, "attempts")}, Sent::again); },
      [](Shelf& shelf) { return done(shelf.store->want_again(std::vector{id_of(0), std::string("no such letter")})); },
      // It was delivered.
      [](Shelf& shelf) { return shelf.store->discard(std::vector{id_of(0)}); },
      [](Shelf& shelf) { return done(shelf.store->release("crm", std::vector{order_key("", "even")})); },
      [](Shelf& shelf) { return shelf.store->save_replay("crm", some_replay(), Sync::yes); },
      [](Shelf& shelf) { return shelf.store->discard(std::vector{id_of(2), id_of(4), id_of(1)}); },
      [](Shelf& shelf) {
        return done(shelf.store->release("crm", std::vector{order_key("", "even"), order_key("", "odd")}));
      },
      [](Shelf& shelf) { return shelf.store->save_replay("crm", std::nullopt, Sync::yes); },
      [](Shelf& shelf) { return shelf.store->forget_cursor("crm"); },
  };
  return all;
}

// What there is before the first step, and after each of them, on a disk that is well.
std::vector<Contents> expected() {
  Shelf shelf;
  shelf.open();
  std::vector<Contents> found{shelf.contents()};
  for (const Step& step : steps()) {
    const auto made = step(shelf);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
    found.push_back(shelf.contents());
  }
  return found;
}

// A step that was refused: nothing of it was done, unless the process has to end. It is done again.
void do_again(Shelf& shelf, const Step& step, const Contents& before, const Contents& after, Unsynced unsynced) {
  if (shelf.store->failure()) {
    shelf.cut_power(unsynced);
    shelf.open();
    const auto found = shelf.contents();
    CHECK((found == before || found == after));
  } else {
    CHECK(shelf.contents() == before);
  }
  const auto again = step(shelf);
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().message));
}

}  // namespace

TEST_CASE("whichever call fails of whatever is asked, it was done or can be asked again") {
  silence_log();
  Verb verb = Verb::any;
  int error = EIO;
  std::size_t in_tables = 0;  // steps whose outcome is read from tables later on
  SUBCASE("writing, for good") {}
  SUBCASE("writing, for want of room") { error = ENOSPC; }
  SUBCASE("reading") {
    verb = Verb::any_read;
    in_tables = 2;
  }
  const auto contents = expected();
  CHECK(contents[contents.size() - 3].wanted.size() == 4);
  CHECK(contents.back().letters.size() == 4);
  bool met = true;
  int calls = 0;
  int refused = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    Shelf shelf;
    shelf.open();
    for (std::size_t i = 0; i < in_tables; ++i) REQUIRE(steps()[i](shelf).has_value());
    if (in_tables > 0) shelf.open();
    const int before = shelf.disk->calls(verb);
    shelf.disk->fail(verb, error, calls);
    for (std::size_t i = in_tables; i < steps().size(); ++i) {
      CAPTURE(i);
      if (const auto made = steps()[i](shelf); !made) {
        ++refused;
        shelf.check_says(made.error());
        if (error == ENOSPC && !shelf.store->failure()) CHECK(made.error().kind == ErrorKind::unavailable);
        do_again(shelf, steps()[i], contents[i], contents[i + 1], calls % 2 == 0 ? Unsynced::lost : Unsynced::kept);
      }
      CHECK(shelf.contents() == contents[i + 1]);
    }
    met = shelf.disk->calls(verb) - before > calls;
    shelf.cut_power(Unsynced::lost);
    shelf.open();
    CHECK(shelf.contents() == contents.back());
  }
  CHECK((verb == Verb::any_read || calls > 20));
  CHECK((verb == Verb::any_read ? refused > 0 : refused > 20));
}

TEST_CASE("whichever call fails of a start, it says so, and the next has everything") {
  silence_log();
  Verb verb = Verb::any;
  SUBCASE("writing") {}
  SUBCASE("reading") { verb = Verb::any_read; }
  Shelf made;
  made.open();
  for (std::size_t i = 0; i < 2; ++i) REQUIRE(steps()[i](made).has_value());
  made.open();
  for (std::size_t i = 2; i < steps().size(); ++i) REQUIRE(steps()[i](made).has_value());
  const auto contents = made.contents();
  made.store.reset();
  bool met = true;
  int calls = 0;
  int refused = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    Shelf shelf;
    std::filesystem::copy(made.folder.path(), shelf.folder.path(), std::filesystem::copy_options::recursive);
    shelf.disk->fail(verb, EIO, calls);
    if (const auto opened = shelf.try_open(); !opened) {
      ++refused;
      shelf.check_says(opened.error());
      shelf.open();
    }
    met = shelf.disk->calls(verb) > calls;
    CHECK(shelf.contents() == contents);
    shelf.disk->fail_no_more();
    REQUIRE(steps().front()(shelf).has_value());
  }
  CHECK(refused > 40);
}

TEST_CASE("whichever call of a copy fails, the store goes on, and the next copy is whole") {
  silence_log();
  Verb verb = Verb::any;
  SUBCASE("writing") {}
  SUBCASE("reading") { verb = Verb::any_read; }
  Shelf shelf;
  shelf.open();
  for (const Step& step : steps()) REQUIRE(step(shelf).has_value());
  const auto contents = shelf.contents();
  const auto copy_to = [&](const std::string& name) { return shelf.store->copy_to(shelf.folder.path() + "/" + name); };
  bool met = true;
  int calls = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    const std::string name = std::to_string(calls);
    const int before = shelf.disk->calls(verb);
    shelf.disk->fail(verb, EIO, calls);
    if (const auto made = copy_to(name); !made) shelf.check_says(made.error());
    met = shelf.disk->calls(verb) - before > calls;
    shelf.disk->fail_no_more();
    if (shelf.store->failure()) {
      shelf.cut_power(Unsynced::kept);
      shelf.open();
    }
    CHECK(shelf.contents() == contents);
  }
  CHECK(calls > 5);
  REQUIRE(copy_to("whole").has_value());
  const auto copied = DeliveryStore::open(shelf.folder.path() + "/whole", shelf.clock);
  REQUIRE(copied.has_value());
  CHECK(read_contents(**copied).value() == contents);
}

// The store refuses, or the process ends, while one event holds up others.
TEST_CASE("whichever call of the store fails, what waits behind a dead letter goes in the end, in order") {
  silence_log();
  int error = EIO;
  SUBCASE("for good") {}
  SUBCASE("for want of room") { error = ENOSPC; }
  bool met = true;
  int calls = 0;
  for (; met; ++calls) {
    CAPTURE(calls);
    const auto disk = FaultyFileSystem::make();
    Rig rig;
    rig.env = disk->env();
    rig.open_store();
    rig.settings.order = Order::key;
    rig.settings.on_dead = OnDead::block;
    rig.settings.batch = {.events = 3, .bytes = 1_MiB, .within = Duration{10}};
    rig.settings.suspend.share = 1;
    rig.distinct_ids = 2;
    const auto start = [&] {
      try {
        rig.start();
      } catch (const std::bad_expected_access<Error>&) {
        rig.open_store();
        rig.start();
      }
    };
    // A while, with a new process where one has to end.
    const auto live = [&] {
      for (int second = 0; second < 30; ++second) {
        if (rig.store->failure()) {
          rig.runner.reset();
          disk->power_off();
          rig.store.reset();
          disk->power_on(calls % 2 == 0 ? Unsynced::lost : Unsynced::kept);
          rig.open_store();
          start();
        }
        rig.advance(Duration{1000});
      }
    };
    rig.crm.answer_with(refuse(body_of(1)));
    const int before = disk->calls(Verb::any);
    disk->fail(Verb::any, error, calls);
    start();
    rig.add(6);
    live();
    CHECK(rig.everything_settled());
    CHECK(rig.dead().size() == 3);
    rig.crm.deliver_everything();
    while (!rig.store->want_again(dead::Filter{.stage = "crm", .code = "http_400", .since = {}})) live();
    rig.runner->send_again();
    live();
    CHECK(rig.everything_settled());
    CHECK(rig.dead().empty());
    CHECK(rig.store->count_wanted("crm", 10).value() == 0);
    std::vector<std::string> odd;  // first deliveries
    for (const auto& body : rig.crm.delivered())
      if ((body[body.size() - 2] - '0') % 2 == 1 && std::ranges::find(odd, body) == odd.end()) odd.push_back(body);
    CHECK(odd == std::vector{body_of(1), body_of(3), body_of(5)});
    met = disk->calls(Verb::any) - before > calls;
    rig.runner.reset();
    rig.store.reset();
  }
  CHECK(calls > 10);
}

}  // namespace penstock::delivery
