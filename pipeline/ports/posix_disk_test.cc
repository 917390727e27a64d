#include "pipeline/ports/posix_disk.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace penstock {
namespace {

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "penstock-disk-XXXXXX").string();
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

TEST_CASE("a file is appended to, cut and read at any place") {
  const Folder folder;
  Disk& disk = posix_disk();
  {
    const auto file = disk.open_append(folder / "a").value();
    CHECK(file->append("hello ").has_value());
    CHECK(file->append("world").has_value());
    CHECK(file->sync().has_value());
  }
  const auto again = disk.open_append(folder / "a").value();
  CHECK(again->size() == 11);
  CHECK(again->truncate(8).has_value());
  CHECK(again->append("!").has_value());
  CHECK(disk.read_all(folder / "a").value() == "hello wo!");
  const auto reading = disk.open_read(folder / "a").value();
  char out[8] = {};
  CHECK(reading->read(6, out, sizeof out).value() == 3);
  CHECK(std::string(out) == "wo!");
  CHECK(reading->read(100, out, sizeof out).value() == 0);
  CHECK(reading->size().value() == 9);
}

TEST_CASE("a file written atomically replaces the old one and leaves no draft") {
  const Folder folder;
  Disk& disk = posix_disk();
  CHECK(disk.write_atomically(folder / "f", "old").has_value());
  CHECK(disk.write_atomically(folder / "f", "new").has_value());
  CHECK(disk.read_all(folder / "f").value() == "new");
  CHECK(disk.list(folder.path).value() == std::vector<std::string>{"f"});
  CHECK(disk.remove(folder / "f").has_value());
  CHECK_FALSE(disk.exists(folder / "f").value());
}

TEST_CASE("folders are made with those above them, and again without complaint") {
  const Folder folder;
  Disk& disk = posix_disk();
  CHECK(disk.create_directories(folder / "a/b/c").has_value());
  CHECK(disk.create_directories(folder / "a/b/c").has_value());
  CHECK(disk.write_atomically(folder / "a/b/z", "").has_value());
  CHECK(disk.list(folder / "a/b").value() == std::vector<std::string>{"c", "z"});
}

TEST_CASE("a lock is held until it is destroyed, and names its holder") {
  const Folder folder;
  Disk& disk = posix_disk();
  {
    const auto held = disk.lock(folder / "LOCK");
    REQUIRE(held.has_value());
    const auto refused = disk.lock(folder / "LOCK");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::conflict);
    CHECK(refused.error().message == folder / "LOCK is held by process " + std::to_string(::getpid()));
  }
  CHECK(disk.lock(folder / "LOCK").has_value());
}

TEST_CASE("a link is the same file under a second name") {
  const Folder folder;
  Disk& disk = posix_disk();
  REQUIRE(disk.write_atomically(folder / "a", "bytes").has_value());
  CHECK(disk.link(folder / "a", folder / "b").value());
  CHECK(disk.read_all(folder / "b").value() == "bytes");
  REQUIRE(disk.remove(folder / "a").has_value());
  CHECK(disk.read_all(folder / "b").value() == "bytes");
  CHECK_FALSE(disk.link(folder / "a", folder / "c").has_value());
}

TEST_CASE("what the system refuses names verb, path and reason") {
  const Folder folder;
  Disk& disk = posix_disk();
  const auto nowhere = folder / "nowhere/f";
  CHECK(disk.open_read(nowhere).error().message == "open " + nowhere + ": No such file or directory");
  CHECK(disk.open_append(nowhere).error().kind == ErrorKind::io);
  CHECK_FALSE(disk.write_atomically(nowhere, "x").has_value());
  CHECK_FALSE(disk.list(folder / "nowhere").has_value());
  CHECK_FALSE(disk.remove(nowhere).has_value());
  CHECK_FALSE(disk.sync_directory(folder / "nowhere").has_value());
}

}  // namespace
}  // namespace penstock
