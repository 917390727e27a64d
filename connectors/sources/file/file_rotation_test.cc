// Rotation that nobody watches: files that were renamed, replaced or removed while others were read, or between two runs.

#include <doctest/doctest.h>

#include "connectors/sources/file/file_rig.h"
#include "pipeline/base/codec.h"

namespace penstock::sources::file {
namespace {

Lines numbered(const std::string& name, int count) {
  Lines lines;
  for (int i = 0; i < count; ++i) lines.push_back(name + " " + std::to_string(i));
  return lines;
}

Lines operator+(Lines lines, const Lines& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

// A position as the first version stored it.
std::string first_version(const FilePosition& position) {
  std::string stored;
  Writer to(stored);
  to.fixed(std::uint8_t{1});
  to.fixed(static_cast<std::uint8_t>(position.complete ? 1 : 0));
  to.varint(position.id.device);
  to.varint(position.id.inode);
  to.varint(position.fingerprint.length);
  to.fixed(position.fingerprint.hash);
  to.varint(position.generation);
  to.varint(position.offset);
  to.varint(position.size_seen);
  to.text(position.path);
  return stored;
}

}  // namespace

TEST_CASE("a file that waits behind an older one is found by the next run, whatever its name is then") {
  TemporaryFolder folder;
  const Lines first = numbered("first", 100);
  folder.write("in", joined(first));
  Run run(folder, "in", true);
  run.poll(20);
  folder.rename("in", "in.1");
  folder.write("in", "second\n");
  run.clock().advance(Duration{1000});
  for (int i = 0; i < 3; ++i) run.poll(20);
  CHECK(run.lines().size() < 10);
  folder.rename("in", "somewhere-else");
  folder.write("in", "third\n");
  run.restart();
  run.drain();
  CHECK(run.lines() == first + Lines{"second", "third"});
  CHECK(run.warnings().empty());
}

TEST_CASE("files that came and went between two runs are read in the order of their writing") {
  TemporaryFolder folder;
  folder.write("in.9", "before the first run\n");
  folder.age("in.9", 100);
  const Lines first = numbered("first", 10);
  folder.write("in", joined(first));
  folder.age("in", 50);
  Run run(folder, "in", true);
  run.poll(20);
  for (const int generation : {2, 3, 4}) {
    if (generation > 3) folder.rename("in.2", "in.3");
    if (generation > 2) folder.rename("in.1", "in.2");
    folder.rename("in", "in.1");
    folder.write("in", joined(numbered(std::to_string(generation), 3)));
    folder.age("in", 50 - 10 * generation);
  }
  run.restart();
  run.drain();
  const auto all = first + numbered("2", 3) + numbered("3", 3) + numbered("4", 3);
  CHECK(run.lines() == all);
  run.restart();
  CHECK(run.drain().empty());
  CHECK(run.warnings().empty());
}

TEST_CASE("files that came and went between two looks are read") {
  TemporaryFolder folder;
  folder.write("app.log", "1\n");
  folder.age("app.log", 50);
  Run run(folder, "app.log", true);
  CHECK(run.drain() == Lines{"1"});
  folder.write("app-errors.log", "another log\n");
  folder.rename("app.log", "app-2026-01-01T08.log");
  folder.write("app.log", "2\n");
  folder.rename("app.log", "app-2026-01-01T09.log");
  folder.write("app.log", "3\n");
  CHECK(run.drain() == Lines{"2", "3"});
}

TEST_CASE("a file that was rotated long ago and read to its end is not opened again") {
  TemporaryFolder folder;
  folder.write("in", "1\n");
  Run run(folder, "in", true);
  run.drain();
  folder.rename("in", "in.1");
  folder.write("in", "2\n");
  folder.age("in", -60);
  run.restart();
  CHECK(run.drain() == Lines{"2"});
  folder.append("in.1", "nobody writes here any more\n");
  CHECK(run.drain().empty());
}

TEST_CASE("an empty file that waits is noted too") {
  TemporaryFolder folder;
  folder.write("in", "");
  Run run(folder, "in", true);
  CHECK(run.drain().empty());
  CHECK(run.positions().size() == 1);
  folder.append("in", "1\n");
  folder.rename("in", "elsewhere");
  folder.write("in", "2\n");
  run.restart();
  CHECK(run.drain() == Lines{"1", "2"});
  CHECK(run.positions().size() == 2);
}

TEST_CASE("a file that was noted and removed before it was read is reported as loss, once") {
  TemporaryFolder folder;
  folder.write("in", joined(numbered("first", 100)));
  Run run(folder, "in", true);
  run.poll(20);
  folder.rename("in", "in.1");
  folder.write("in", "second\n");
  run.clock().advance(Duration{1000});
  run.poll(20);
  folder.remove("in");
  folder.write("unrelated", "so that the inode is taken\n");
  folder.write("in", "third\n");
  const auto stood = run.positions();
  run.restart();
  CHECK(run.drain().back() == "third");
  run.go_back_to(stood);
  CHECK(run.drain().back() == "third");
  CHECK_MESSAGE(run.losses() == 1, "nor when the log makes us go back to before it was noted");
  CHECK(run.warned_of("/in is gone before it was read to its end: what came after byte 0 is lost (its size was 7 bytes)"));
  run.restart();
  run.drain();
  CHECK(run.losses() == 1);
  CHECK(run.warnings().size() == 1);
}

TEST_CASE("what copytruncate leaves beside a file is not read again, in this run or the next") {
  TemporaryFolder folder;
  folder.write("in", "first\nsecond\n");
  Run run(folder, "in", true);
  CHECK(run.drain() == Lines{"first", "second"});
  for (const char* content : {"third\n", "fourth, which is longer\n"}) {
    std::filesystem::copy_file(folder / "in", folder / (std::string("in.") + content[1]));
    folder.write("in", content);
    if (content[0] == 'f') run.restart();
    CHECK(run.drain() == Lines{std::string(content, std::string(content).size() - 1)});
  }
  run.clock().advance(Duration{2000});
  CHECK(run.drain().empty());
}

TEST_CASE("a copy of a rotated file is left alone, with a warning") {
  TemporaryFolder folder;
  const Lines first = numbered("first", 200);
  folder.write("in", joined(first));
  Run run(folder, "in", true);
  CHECK(run.drain() == first);
  folder.rename("in", "in.1");
  std::filesystem::copy_file(folder / "in.1", folder / "in.20260101");
  folder.write("in", "second\n");
  CHECK(run.drain() == Lines{"second"});
  CHECK(run.warned_of("/in.20260101 begins as a file that was read, so it is taken for a copy"));
  CHECK(run.losses() == 0);
}

TEST_CASE("a file that was deleted while it was read is read on when the log makes us go back") {
  TemporaryFolder folder;
  const Lines first = numbered("first", 100);
  folder.write("in", joined(first));
  Run run(folder, "in", true);
  run.poll(20);
  const auto stood = run.positions();
  run.poll(20);
  folder.remove("in");
  folder.write("in", "second\n");
  const auto read = run.lines().size();
  run.go_back_to(stood);
  const auto again = run.drain();
  CHECK(again.back() == "second");
  CHECK(again.size() == first.size() + 1 - read + 2);
  CHECK(run.warnings().empty());
}

TEST_CASE("positions that an older Penstock stored are read on from, and rotation since then is found") {
  TemporaryFolder folder;
  folder.write("in", "1\n2\n");
  folder.age("in", 50);
  Run run(folder, "in", true);
  run.poll(2);
  REQUIRE(run.lines() == Lines{"1"});
  auto positions = run.positions();
  REQUIRE(positions.size() == 1);
  positions[0].position = first_version(decode_file_position(positions[0].position).value());
  folder.rename("in", "in.2");
  folder.write("in.1", "3\n");
  folder.age("in.1", 20);
  folder.write("in", "4\n");
  run.restart_from(positions);
  CHECK(run.drain() == Lines{"2", "3", "4"});
  CHECK(run.warnings().empty());
  positions[0].position[0] = 3;
  CHECK_FALSE(decode_file_position(positions[0].position).has_value());
}

TEST_CASE("a file that is renamed while it is looked for is found") {
  TemporaryFolder folder;
  folder.write("in", "1\n2\n");
  Run run(folder, "in", true);
  run.poll(2);
  KnownFiles known;
  REQUIRE(known.load(run.positions()).has_value());
  folder.rename("in", "in.1");
  FolderListings folders;
  REQUIRE(folders.rotations_of(folder / "in") == std::vector{folder / "in.1"});
  SUBCASE("and has another name by then") { folder.rename("in.1", "in.2"); }
  SUBCASE("and another one has its name by then") {
    folder.rename("in.1", "in.2");
    folder.write("in.1", "3\n");
  }
  Warnings warnings;
  const auto moved = known.search({}, folders, warnings);
  REQUIRE(moved.size() == 1);
  CHECK(moved[0].path == folder / "in.2");
  CHECK(warnings.empty());
}

TEST_CASE("what is not read yet is counted, wherever it is") {
  TemporaryFolder folder;
  folder.write("in", "first\nsecond\n");
  Run run(folder, "in", true);
  run.poll(6);
  CHECK(run.source().unread_bytes() == 7);
  folder.rename("in", "in.1");
  folder.append("in.1", "third\n");
  folder.write("in", "fourth\n");
  CHECK(run.source().unread_bytes() == 7 + 6 + 7);
  run.drain();
  CHECK(run.source().unread_bytes() == 0);

  folder.write("whole.gz", gzipped("1\n2\n"));
  Run whole(folder, "whole.gz");
  whole.restart();
  CHECK(whole.source().unread_bytes() == std::filesystem::file_size(folder / "whole.gz"));
  whole.drain();
  CHECK(whole.source().unread_bytes() == 0);
}

TEST_CASE("what rotation makes of a name") {
  for (const char* name : {"in.log.1", "in.log-20260101", "in.1.log", "in-2026-01-01T08.log", "in.log.2026-01-01_08:00:00"})
    CHECK_MESSAGE(is_rotation_of(name, "in.log"), name);
  for (const char* name :
       {"in.log", "in.log.1.gz", "in-errors.log", "in.log.bak", "in2.log", "in.log1", "other.log.1", "in.log."})
    CHECK_MESSAGE(!is_rotation_of(name, "in.log"), name);
  CHECK(is_rotation_of("in.1", "in"));
  CHECK_FALSE(is_rotation_of(".1.hidden", ".hidden"));
}

}  // namespace penstock::sources::file
