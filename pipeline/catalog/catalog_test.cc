#include "pipeline/catalog/catalog.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "pipeline/catalog/sqlite.h"
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

}  // namespace
}  // namespace penstock::catalog
