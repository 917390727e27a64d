// More files than may be open at once: which of them wait, and in which order they are read.

#include <doctest/doctest.h>

#include "connectors/sources/file/file_rig.h"

namespace penstock::sources::file {
namespace {

// A file of one line at "in", read to its end, that is then rotated: in.1 is older than in.2.
struct Rotation {
  TemporaryFolder folder;
  Run run{folder, "in", true};
  Lines lines;

  Rotation() {
    put();
    run.drain();
  }
  void rotate(int times) {
    for (int i = 0; i < times; ++i) {
      folder.rename("in", "in." + std::to_string(lines.size()));
      put();
    }
  }

 private:
  void put() {
    folder.write("in", std::to_string(lines.size()) + "\n");
    folder.age("in", 2000 - static_cast<int>(lines.size()));
    lines.push_back(std::to_string(lines.size()));
  }
};

}  // namespace

TEST_CASE("more files than may be open at once can wait, and keep their order") {
  Rotation rotation;
  auto& run = rotation.run;
  rotation.rotate(300);
  run.restart();
  SUBCASE("") {}
  SUBCASE("also when what stands at the path by then is rotated before it is their turn") {
    run.poll(20);
    SUBCASE("and found by the same run") { rotation.rotate(1); }
    SUBCASE("and found by the next run") {
      rotation.rotate(1);
      run.restart();
    }
    SUBCASE("and the log makes us go back") {
      rotation.rotate(1);
      run.go_back_to(run.positions());
    }
    SUBCASE("and removed") {
      rotation.rotate(1);
      rotation.folder.remove("in.301");
    }
    SUBCASE("again and again, as often as one of them ends") {
      for (int i = 0; i < 50; ++i) {
        rotation.rotate(1);
        run.clock().advance(Duration{1000});
        run.poll();
      }
    }
    run.clock().advance(Duration{1000});
    run.drain();
    rotation.rotate(2);
  }
  for (int i = 0; i < 5; ++i) {
    run.drain();
    run.clock().advance(Duration{11'000});
  }
  CHECK(run.lines() == rotation.lines);
  CHECK(run.warnings().empty());
}

TEST_CASE("a rotated file that its writer went on with for a while is read before the one that took its place") {
  TemporaryFolder folder;
  Run run(folder, "in", true);
  run.set_open_files_max(2);
  const auto write = [&](const std::string& name, const std::string& text, int seconds_ago) {
    folder.append(name, text);
    folder.age(name, seconds_ago);
  };
  const auto pass = [&](int milliseconds) { run.clock().advance(Duration{milliseconds}); };
  write("in", "1\n", 100);
  run.drain();
  folder.rename("in", "in.1");
  write("in", "2\n", 90);
  folder.rename("in", "in.2");
  write("in", "", 80);
  pass(1000);
  run.drain();  // there is no room for in.2 beside in.1 and what stands at the path
  write("in.2", "2, too\n", 70);
  SUBCASE("which is rotated while both of them wait") {}
  SUBCASE("which is rotated while it is read") {
    pass(11'000);
    while (run.lines().size() < 2) {
      pass(1000);
      run.poll(3);
    }
  }
  write("in", "3\n", 60);
  folder.rename("in", "in.3");
  write("in", "4\n", 40);
  for (int i = 0; i < 10; ++i) {
    pass(11'000);
    run.drain(1);
  }
  CHECK(run.lines() == Lines{"1", "2", "2, too", "3", "4"});
  CHECK(run.warnings().empty());
}

TEST_CASE("more files than may be open at once do not keep a renamed one from being read first") {
  TemporaryFolder folder;
  folder.write("first.log", "1\n2\n");
  Run run(folder, "*.log", true);
  run.poll(2);
  folder.rename("first.log", "first.log.old");
  Lines all{"1", "2"};
  for (int i = 100; i < 400; ++i) {
    folder.write(std::to_string(i) + ".log", std::to_string(i) + "\n");
    all.push_back(std::to_string(i));
  }
  run.restart();
  for (int i = 0; i < 3; ++i) run.drain();
  REQUIRE(std::ranges::is_permutation(run.lines(), all));
  CHECK(run.lines()[1] == "2");
  CHECK(run.warnings().empty());
}

TEST_CASE("files that are renamed once they were read make room for others, also with nothing in their place") {
  TemporaryFolder folder;
  Run run(folder, "*.log", true);
  run.drain();
  Lines all;
  for (int i = 100; i < 400; ++i) {
    const auto name = std::to_string(i) + ".log";
    all.push_back(std::to_string(i));
    folder.write(name, all.back() + "\nnot ended");
    for (int look = 0; look < 3; ++look) {
      run.drain();
      run.clock().advance(Duration{1000});
    }
    folder.rename(name, name + ".done");
    run.drain();
    run.clock().advance(Duration{11'000});
  }
  Lines read = run.lines();
  CHECK(std::erase(read, "not ended") >= 44);
  CHECK(read == all);
  CHECK(run.warnings().empty());
}

}  // namespace penstock::sources::file
