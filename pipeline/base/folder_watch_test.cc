#include "pipeline/base/folder_watch.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace penstock {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "penstock-watch-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  void write(const std::string& name) const { std::ofstream(path + "/" + name) << "x"; }

  std::string path;
};

// The kernel tells at once; only the clock is ours.
bool changes(FolderWatch& watch, SteadyTime& now) {
  if (watch.changed(now)) return true;
  now += FolderWatch::kQuiet;
  return watch.changed(now);
}

}  // namespace

TEST_CASE("a change is told once, when the files were left alone for a moment") {
  const Folder folder;
  auto watch = FolderWatch::create().value();
  REQUIRE(watch.watch({folder.path}));
  SteadyTime now{Duration{1000}};
  CHECK_FALSE(changes(watch, now));
  folder.write("app.lua");
  CHECK_FALSE(watch.changed(now));
  now += FolderWatch::kQuiet / 2;
  folder.write("cases.yaml");
  CHECK_FALSE(watch.changed(now));
  now += FolderWatch::kQuiet / 2;
  CHECK_FALSE(watch.changed(now));
  now += FolderWatch::kQuiet / 2;
  CHECK(watch.changed(now));
  CHECK_FALSE(changes(watch, now));
}

TEST_CASE("folders that come, go and come back are watched again") {
  const Folder folder;
  auto watch = FolderWatch::create().value();
  const std::vector<std::string> wanted{folder.path, folder.path + "/later"};
  REQUIRE(watch.watch(wanted));
  SteadyTime now{Duration{1000}};
  fs::create_directory(folder.path + "/later");
  CHECK(changes(watch, now));
  REQUIRE(watch.watch(wanted));
  folder.write("later/app.lua");
  CHECK(changes(watch, now));
  fs::remove_all(folder.path + "/later");
  CHECK(changes(watch, now));
  REQUIRE(watch.watch(wanted));
  CHECK(watch.incomplete());
  fs::create_directory(folder.path + "/later");
  CHECK(changes(watch, now));
  REQUIRE(watch.watch(wanted));
  folder.write("later/app.lua");
  CHECK(changes(watch, now));
}

TEST_CASE("a folder that was moved away and back may hold anything") {
  const Folder folder;
  fs::create_directory(folder.path + "/app");
  auto watch = FolderWatch::create().value();
  const std::vector<std::string> wanted{folder.path + "/app"};
  REQUIRE(watch.watch(wanted));
  SteadyTime now{Duration{1000}};
  fs::rename(folder.path + "/app", folder.path + "/away");
  CHECK(changes(watch, now));
  REQUIRE(watch.watch(wanted));
  CHECK(watch.incomplete());
  fs::rename(folder.path + "/away", folder.path + "/app");
  REQUIRE(watch.watch(wanted));
  CHECK_FALSE(watch.incomplete());
  CHECK(changes(watch, now));
}

TEST_CASE("a folder whose parent was moved away and replaced is watched in its new place") {
  const Folder folder;
  fs::create_directories(folder.path + "/apps/demo");
  auto watch = FolderWatch::create().value();
  const std::vector<std::string> wanted{folder.path + "/apps/demo"};
  REQUIRE(watch.watch(wanted));
  SteadyTime now{Duration{1000}};
  fs::rename(folder.path + "/apps", folder.path + "/away");
  fs::create_directories(folder.path + "/apps/demo");
  REQUIRE(watch.watch(wanted));
  CHECK(changes(watch, now));
  folder.write("apps/demo/app.lua");
  CHECK(changes(watch, now));
  fs::rename(folder.path + "/apps", folder.path + "/gone");
  REQUIRE(watch.watch(wanted));
  CHECK(watch.incomplete());
  CHECK_FALSE(changes(watch, now));
  fs::rename(folder.path + "/away", folder.path + "/apps");
  REQUIRE(watch.watch(wanted));
  CHECK_FALSE(watch.incomplete());
  CHECK(changes(watch, now));
}

TEST_CASE("when the kernel lost events, folders are looked for again") {
  const Folder folder;
  auto watch = FolderWatch::create().value();
  REQUIRE(watch.watch({folder.path}));
  REQUIRE_FALSE(watch.incomplete());
  int events_max = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> events_max;
  REQUIRE(events_max > 0);
  folder.write("a");
  for (int i = 0; i < events_max / 4 + 10; ++i) {
    fs::rename(folder.path + "/a", folder.path + "/b");
    fs::rename(folder.path + "/b", folder.path + "/a");
  }
  SteadyTime now{Duration{1000}};
  CHECK(changes(watch, now));
  CHECK(watch.incomplete());
  REQUIRE(watch.watch({folder.path}));
  CHECK_FALSE(watch.incomplete());
  folder.write("c");
  CHECK(changes(watch, now));
}

TEST_CASE("a subfolder that cannot be watched does not keep others from it" * doctest::skip(::geteuid() == 0)) {
  const Folder folder;
  for (const char* name : {"/a", "/b", "/c"}) fs::create_directory(folder.path + name);
  fs::permissions(folder.path + "/b", fs::perms::none);
  auto watch = FolderWatch::create().value();
  CHECK(watch.watch({folder.path}).error().message.contains("/b"));
  SteadyTime now{Duration{1000}};
  for (const char* name : {"a/x", "c/x"}) {
    folder.write(name);
    CHECK(changes(watch, now));
  }
}

}  // namespace penstock
