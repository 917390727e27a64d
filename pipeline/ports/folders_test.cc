#include "pipeline/ports/folders.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace penstock {
namespace {

namespace fs = std::filesystem;

struct TemporaryFolder {
  std::string path = (fs::temp_directory_path() / "penstock-folders-XXXXXX").string();

  TemporaryFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TemporaryFolder() { fs::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

}  // namespace

TEST_CASE("what is there, and what is inside of what") {
  const TemporaryFolder temporary;
  fs::create_directories(temporary.path + "/data/log");
  fs::create_directory_symlink(temporary.path + "/data", temporary.path + "/link");
  CHECK(is_there(temporary.path + "/data").value());
  CHECK_FALSE(is_there(temporary.path + "/none").value());
  CHECK_FALSE(is_there(temporary.path + "/none/below").value());
  CHECK(is_inside(temporary.path + "/link/log/new", temporary.path + "/data").value());
  CHECK(is_inside(temporary.path + "/data", temporary.path + "/data").value());
  CHECK_FALSE(is_inside(temporary.path + "/data2", temporary.path + "/data").value());
  CHECK(absolute_path("/a/b").value() == "/a/b");
}

TEST_CASE("what cannot be looked at is an error with its path, not an exception and not absent") {
  const TemporaryFolder temporary;
  const std::string loop = temporary.path + "/loop";
  fs::create_symlink(loop, loop);
  for (const auto& path : {loop, temporary.path + "/" + std::string(300, 'x')}) {
    const auto there = is_there(path);
    REQUIRE_FALSE(there.has_value());
    CHECK(there.error().kind == ErrorKind::io);
    CHECK(there.error().message.find(path + " cannot be looked at: ") == 0);
    CHECK(is_inside(path, temporary.path).error().kind == ErrorKind::io);
    CHECK(is_inside(temporary.path, path).error().kind == ErrorKind::io);
  }
}

}  // namespace penstock
