#include <doctest/doctest.h>

#include "connectors/sources/file/file_rig.h"

namespace penstock::sources::file {

TEST_CASE("follow waits for the file, for whole lines, and for more") {
  TemporaryFolder folder;
  Run run(folder, "in", true);
  CHECK(run.drain().empty());
  folder.write("in", "1\n2");
  CHECK(run.drain() == Lines{"1"});
  CHECK(run.poll() == PollState::idle);
  folder.append("in", "3\n");
  CHECK(run.drain() == Lines{"23"});
  run.restart();
  CHECK(run.drain().empty());
  folder.append("in", "4\n");
  CHECK(run.drain() == Lines{"4"});
  CHECK(run.positions().size() == 1);
}

TEST_CASE("a renamed file is read to its end before the new one at its path") {
  TemporaryFolder folder;
  folder.write("in", "1\n");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"1"});
  folder.append("in", "2\n3\n");
  folder.rename("in", "in.1");
  folder.write("in", "4\n");
  folder.append("in.1", "late\n");
  CHECK(run.drain() == Lines{"2", "3", "late", "4"});
  folder.append("in.1", "very late\n");
  folder.append("in", "5\n");
  CHECK(run.drain() == Lines{"very late", "5"});
}

TEST_CASE("a renamed file is read to its end when that happened between two runs") {
  TemporaryFolder folder;
  folder.write("in", "1\n2\n");
  Run run(folder, "in", true);
  run.poll(2);
  CHECK(run.lines() == Lines{"1"});
  folder.rename("in", "in.1");
  folder.write("in", "3\n");
  run.restart();
  CHECK(run.drain() == Lines{"2", "3"});
  CHECK(run.warnings().empty());
}

TEST_CASE("a rotated file is let go when its writer has been silent, and its last line counts then") {
  TemporaryFolder folder;
  folder.write("in", "1\ntail");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"1"});
  folder.rename("in", "in.1");
  CHECK(run.drain().empty());
  run.clock().advance(Duration{60'000});
  CHECK_MESSAGE(run.drain().empty(), "nothing has taken its place: it may only have been renamed");
  folder.write("in", "2\n");
  CHECK(run.drain() == Lines{"tail", "2"});
  folder.append("in.1", "too late\n");
  CHECK(run.drain().empty());
}

TEST_CASE("a deleted file is read to its end while it is open") {
  TemporaryFolder folder;
  folder.write("in", "1\n");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"1"});
  folder.append("in", "2\n");
  folder.remove("in");
  folder.write("in", "3\n");
  CHECK(run.drain() == Lines{"2", "3"});
}

TEST_CASE("truncation starts again at 0 with a warning, under a partition of its own") {
  TemporaryFolder folder;
  folder.write("in", "first\nsecond\n");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"first", "second"});
  const auto before = run.last_partition();
  folder.write("in", "third\n");  // the same inode: this is what copytruncate leaves
  CHECK(run.drain() == Lines{"third"});
  REQUIRE(run.warnings().size() == 1);
  CHECK(run.warned_of("was truncated after byte 13 of it had been read; reading it from 0"));
  REQUIRE(run.positions().size() == 2);
  CHECK(run.positions()[1].partition != before);
  run.restart();
  folder.append("in", "fourth\n");
  CHECK(run.drain() == Lines{"fourth"});
  CHECK(run.warnings().size() == 1);
}

TEST_CASE("truncation is noticed when the file has already grown past the old position") {
  TemporaryFolder folder;
  folder.write("in", "first\n");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"first"});
  folder.write("in", "a much longer line than the one before\n");
  CHECK(run.drain() == Lines{"a much longer line than the one before"});
  CHECK(run.warned_of("was truncated"));
}

TEST_CASE("truncation with unread lines says how much is lost at least") {
  TemporaryFolder folder;
  folder.write("in", "first\nsecond\n");
  Run run(folder, "in", true);
  run.poll(6);
  folder.write("in", "3\n");
  CHECK(run.drain() == Lines{"3"});
  CHECK(run.warned_of("at least 7 bytes were gone before they could be read"));
}

TEST_CASE("truncated between two runs, also when the new content is longer") {
  for (const char* content : {"new\n", "new and longer than before\n"}) {
    TemporaryFolder folder;
    folder.write("in", "first line\n");
    Run run(folder, "in", true);
    CHECK(run.drain().size() == 1);
    folder.write("in", content);
    run.restart();
    CHECK(run.drain() == Lines{std::string(content, std::string(content).size() - 1)});
    CHECK(run.positions().size() == 2);
    run.restart();
    CHECK(run.drain().empty());
  }
}

TEST_CASE("a small file that grows stays the same file, and its fingerprint grows with it") {
  TemporaryFolder folder;
  folder.write("in", "1\n");
  Run run(folder, "in", true);
  run.drain();
  folder.append("in", std::string(3000, 'x') + "\n");
  run.restart();
  CHECK(run.drain().size() == 1);
  REQUIRE(run.positions().size() == 1);
  const auto position = decode_file_position(run.positions().front().position);
  REQUIRE(position.has_value());
  CHECK(position->fingerprint.length == kFingerprintBytesMax);
}

TEST_CASE("new files that match appear, busy ones do not keep them away") {
  TemporaryFolder folder;
  folder.write("a.log", "1\n2\n3\n4\n");
  Run run(folder, "*.log", true);
  run.poll(2);
  folder.write("b.log", "b\n");
  run.clock().advance(Duration{2000});
  run.poll(2);
  run.poll(2);
  CHECK(std::ranges::count(run.lines(), "b") == 1);
  CHECK(run.drain(2).size() == 4 - 2);
}

TEST_CASE("more files than may be open at once are all read, and read on") {
  TemporaryFolder folder;
  const int files = 300;
  for (int i = 0; i < files; ++i) folder.write(std::to_string(i) + ".log", "1st " + std::to_string(i) + "\n");
  Run run(folder, "*.log", true);
  CHECK(run.drain().size() == files);
  for (int i = 0; i < files; ++i) folder.append(std::to_string(i) + ".log", "2nd\n");
  for (int i = 0; i < 3; ++i) run.drain();
  CHECK(run.lines().size() == 2 * files);
  CHECK(run.positions().size() == files);
  CHECK(run.warnings().empty());
}

TEST_CASE("a compressed file that a followed pattern matches is named once and left alone") {
  TemporaryFolder folder;
  folder.write("in.log", "1\n");
  folder.write("in.log.gz", gzipped("0\n"));
  Run run(folder, "in.log*", true);
  CHECK(run.drain() == Lines{"1"});
  folder.append("in.log", "2\n");
  CHECK(run.drain() == Lines{"2"});
  REQUIRE(run.warnings().size() == 1);
  CHECK(run.warned_of("in.log.gz is compressed, and compressed files cannot be followed"));
}

TEST_CASE("a line of any length is refused while it is still being written") {
  TemporaryFolder folder;
  folder.write("in", std::string(5000, 'x'));
  Run run(folder, "in", true);
  run.config().line_max = Bytes{1000};
  CHECK(run.drain().empty());
  CHECK(run.refused().size() == 1);
  folder.append("in", std::string(5000, 'x') + "\n1\n");
  CHECK(run.drain() == Lines{"1"});
  CHECK(run.refused().size() == 1);
}

}  // namespace penstock::sources::file
