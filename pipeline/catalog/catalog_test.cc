#include "pipeline/catalog/catalog.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "pipeline/catalog/sqlite.h"
#include "tests/fakes/faulty_sqlite.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::catalog {
namespace {

struct Folder {
  std::string path = std::filesystem::temp_directory_path() / "penstock-catalog-XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/catalog.db"; }
};

TEST_CASE("pauses survive a restart and end by resume") {
  Folder folder;
  fakes::ManualClock clock;
  const Timestamp paused_at = clock.now();
  {
    auto catalog = Catalog::open(folder.file(), clock);
    REQUIRE(catalog);
    REQUIRE((*catalog)->pause("crm", "migration"));
    clock.advance(Duration(5000));
    REQUIRE((*catalog)->pause("crm", "it's \"still\" going on"));
    REQUIRE((*catalog)->pause("archive", ""));
  }
  auto catalog = Catalog::open(folder.file(), clock);
  REQUIRE(catalog);
  const auto pauses = (*catalog)->pauses();
  REQUIRE(pauses);
  CHECK(*pauses == std::vector<Pause>{{"archive", "", clock.now()}, {"crm", "it's \"still\" going on", paused_at}});
  CHECK((*catalog)->resume("crm").value());
  CHECK_FALSE((*catalog)->resume("crm").value());
  CHECK((*catalog)->pauses()->size() == 1);
}

TEST_CASE("which destinations have started is known after a restart, and to who only reads the file") {
  Folder folder;
  const fakes::ManualClock clock;
  {
    auto catalog = Catalog::open(folder.file(), clock);
    REQUIRE(catalog);
    CHECK((*catalog)->started()->empty());
    for (const auto* name : {"crm", "archive", "crm"}) REQUIRE((*catalog)->note_started(name));
  }
  const std::vector<std::string> both{"archive", "crm"};
  CHECK(Catalog::started_in(folder.file()).value() == both);
  CHECK((*Catalog::open(folder.file(), clock))->started().value() == both);
}

TEST_CASE("a file of version 1 has noted no destination; opened, it can") {
  Folder folder;
  const fakes::ManualClock clock;
  REQUIRE(Catalog::open(folder.file(), clock));
  REQUIRE(Connection::open(folder.file())->execute("DROP TABLE started; PRAGMA user_version = 1;"));
  CHECK(Catalog::started_in(folder.file())->empty());
  auto catalog = Catalog::open(folder.file(), clock);
  REQUIRE(catalog);
  REQUIRE((*catalog)->note_started("crm"));
  CHECK((*catalog)->started()->size() == 1);
}

TEST_CASE("a rate replaces the one before, and is taken back by a reset") {
  Folder folder;
  fakes::ManualClock clock;
  auto catalog = Catalog::open(folder.file(), clock);
  REQUIRE(catalog);
  REQUIRE((*catalog)->set_rate("crm", 100, 0));
  REQUIRE((*catalog)->set_rate("crm", 5, 1 << 20));
  CHECK(*(*catalog)->rates() == std::vector<Rate>{{"crm", 5, 1 << 20, clock.now()}});
  CHECK((*catalog)->reset_rate("crm").value());
  CHECK_FALSE((*catalog)->reset_rate("crm").value());
  CHECK((*catalog)->rates()->empty());
}

TEST_CASE("a file that is no catalog is refused, and left as it is") {
  Folder folder;
  SUBCASE("not a database") { std::ofstream(folder.file()) << std::string(4096, 'x'); }
  SUBCASE("somebody else's database") {
    REQUIRE(Connection::open(folder.file())->execute("CREATE TABLE t (x); PRAGMA user_version = 7;"));
  }
  const auto size = std::filesystem::file_size(folder.file());
  const auto catalog = Catalog::open(folder.file(), system_clock());
  REQUIRE_FALSE(catalog);
  CHECK(catalog.error().kind == ErrorKind::corrupt);
  CHECK(catalog.error().message.find("catalog.db") != std::string::npos);
  CHECK(std::filesystem::file_size(folder.file()) == size);
}

TEST_CASE("a newer program's catalog is refused") {
  Folder folder;
  REQUIRE(Catalog::open(folder.file(), system_clock()));
  REQUIRE(Connection::open(folder.file())->execute("PRAGMA user_version = 99;"));
  const auto catalog = Catalog::open(folder.file(), system_clock());
  REQUIRE_FALSE(catalog);
  CHECK(catalog.error().kind == ErrorKind::conflict);
}

TEST_CASE("a folder that is not there is an error that names the file") {
  const auto catalog = Catalog::open("/nonexistent/folder/catalog.db", system_clock());
  REQUIRE_FALSE(catalog);
  CHECK(catalog.error().kind == ErrorKind::io);
  CHECK(catalog.error().message.find("/nonexistent/folder/catalog.db") != std::string::npos);
}

// What is in force: of pauses the names, of rates the events.
struct InForce {
  std::vector<std::string> paused;
  std::vector<std::uint64_t> rates;
  friend bool operator==(const InForce&, const InForce&) = default;
};

InForce in_force(const Catalog& catalog) {
  InForce found;
  const auto pauses = catalog.pauses().value();
  for (const auto& pause : pauses) found.paused.push_back(pause.destination);
  const auto rates = catalog.rates().value();
  for (const auto& rate : rates) found.rates.push_back(rate.events_per_second);
  return found;
}

// Every call of the disk fails in its turn, once or from then on, while three orders are given.
TEST_CASE("an order that cannot be stored is refused and not in force; for want of room, nor after a kill") {
  int code = 0;
  int times = 1;
  SUBCASE("no room for a moment") { code = SQLITE_FULL; }
  SUBCASE("no room") { code = SQLITE_FULL, times = 1'000'000; }
  SUBCASE("an error") { code = SQLITE_IOERR; }
  SUBCASE("nothing but errors") { code = SQLITE_IOERR, times = 1'000'000; }
  fakes::FaultySqlite disk;
  fakes::ManualClock clock;
  bool met = true;
  int skip = 0;
  for (; met; ++skip) {
    CAPTURE(skip);
    Folder folder;
    Folder killed;
    auto catalog = Catalog::open(folder.file(), clock);
    REQUIRE(catalog);
    REQUIRE((*catalog)->pause("crm", ""));
    REQUIRE((*catalog)->set_rate("crm", 5, 0));
    InForce wanted{{"crm"}, {5}};
    std::vector<InForce> possible;  // after a kill
    const auto given = [&](const auto& order, InForce done) {
      if (!order && code == SQLITE_FULL) CHECK(order.error().kind == ErrorKind::unavailable);
      if (!order && code != SQLITE_FULL) possible.push_back(done);
      if (order) wanted = std::move(done);
    };
    disk.fail(code, skip, times);
    given((*catalog)->pause("archive", ""), {{"archive", "crm"}, wanted.rates});
    given((*catalog)->set_rate("crm", 7, 0), {wanted.paused, {7}});
    given((*catalog)->resume("archive"), {{"crm"}, wanted.rates});
    possible.push_back(wanted);
    met = disk.failed() > 0;
    // As a kill at this moment would leave it.
    std::filesystem::copy(folder.path, killed.path, std::filesystem::copy_options::recursive);
    disk.fail_no_more();
    CHECK(in_force(**catalog) == wanted);
    const auto after = Catalog::open(killed.file(), clock);
    REQUIRE(after);
    CHECK(std::ranges::find(possible, in_force(**after)) != possible.end());
    CHECK((*catalog)->pause("later", ""));  // and it goes on
  }
  CHECK(skip > 4);
}

}  // namespace
}  // namespace penstock::catalog
