#include <doctest/doctest.h>
#include <sys/stat.h>

#include <span>

#include "connectors/sources/file/file_rig.h"
#include "tests/conformance/source_conformance.h"

namespace penstock::sources::file {

namespace {

std::string plain(std::string_view text) { return std::string(text); }

void keeps_the_contract(std::string (*pack)(std::string_view), bool follow) {
  TemporaryFolder folder;
  folder.write("in", pack(""));
  Run run(folder, "in", follow);
  conformance::source_conformance({
      .make = [&] { return run.make(); },
      .write = [&](const Lines& bodies) { folder.append("in", pack(joined(bodies))); },
  });
}

}  // namespace

TEST_CASE("a file keeps the contract of polled sources") { keeps_the_contract(&plain, false); }
TEST_CASE("a followed file keeps the contract of polled sources") { keeps_the_contract(&plain, true); }
TEST_CASE("a gzip file keeps the contract of polled sources") { keeps_the_contract(&gzipped, false); }
TEST_CASE("a zstd file keeps the contract of polled sources") { keeps_the_contract(&zstd_packed, false); }

TEST_CASE("a pattern is read in name order, and ends") {
  TemporaryFolder folder;
  folder.write("b.ndjson", "{\"b\":1}\n");
  folder.write("a.ndjson", "{\"a\":1}\n{\"a\":2}\n");
  folder.write("c.txt", "{\"c\":1}\n");
  std::filesystem::create_directory(folder / "d.ndjson");
  Run run(folder, "*.ndjson");
  CHECK(run.drain() == Lines{"{\"a\":1}", "{\"a\":2}", "{\"b\":1}"});
  CHECK(run.poll() == PollState::finished);
  CHECK(run.warnings().empty());
}

TEST_CASE("one poll is one file") {
  TemporaryFolder folder;
  folder.write("a", "1\n");
  folder.write("b", "2\n");
  Run run(folder, "?");
  CHECK(run.poll() == PollState::more);
  CHECK(run.lines() == Lines{"1"});
  const auto first = run.last_partition();
  CHECK(run.poll() == PollState::more);
  CHECK(run.last_partition() != first);
}

TEST_CASE("what cannot be opened is an error that says what to do") {
  TemporaryFolder folder;
  folder.write("packed", gzipped("1\n"));
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  struct Case {
    const char* path;
    bool follow;
    ErrorKind kind;
    const char* says;
  };
  const Case cases[] = {
      {"missing.ndjson", false, ErrorKind::not_found, "cannot open"},
      {"*.none", false, ErrorKind::not_found, "no file matches"},
      {"", false, ErrorKind::invalid, "is a directory"},
      {".", true, ErrorKind::invalid, "is a directory"},
      {"fifo", false, ErrorKind::invalid, "stdin"},
      {"packed", true, ErrorKind::invalid, "cannot be followed"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.path);
    Run run(folder, c.path, c.follow);
    const auto opened = run.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == c.kind);
    CHECK(opened.error().message.find(c.says) != std::string::npos);
    CHECK(opened.error().message.find(folder.path()) != std::string::npos);
  }
}

TEST_CASE("lines may end with CRLF, be empty or blank, or be the last without a line end") {
  TemporaryFolder folder;
  folder.write("in", std::string("1\r\n\n\r\n2\n \n\0x\n \t\r\n 3", 19));
  Run run(folder, "in");
  CHECK(run.drain(1) == Lines{"1", "2", std::string("\0x", 2), " 3"});
  CHECK(run.warnings().empty());
}

TEST_CASE("offsets are where a line starts") {
  TemporaryFolder folder;
  folder.write("in", "12\n\n345\r\n6\n");
  Run run(folder, "in");
  run.poll();
  REQUIRE(run.last_records().size() == 3);
  CHECK(run.last_records()[0].offset == 0);
  CHECK(run.last_records()[1].offset == 4);
  CHECK(run.last_records()[2].offset == 9);
}

TEST_CASE("a line over the limit is refused with its beginning, and the rest goes on") {
  const std::string over(300'000, 'x');
  for (const auto pack : {&plain, &gzipped, &zstd_packed}) {
    for (const std::size_t bytes_max : {std::size_t{7}, std::size_t{100'000}, std::size_t{1} << 20}) {
      TemporaryFolder folder;
      folder.write("in",
                   pack("1\n" + over + "\n" + std::string(1000, 'y') + "\r\n" + std::string(1001, 'z') + "\n2\n" + over));
      Run run(folder, "in");
      run.config().line_max = Bytes{1000};
      CHECK(run.drain(bytes_max) == Lines{"1", std::string(1000, 'y'), "2"});
      REQUIRE(run.refused().size() == 3);
      for (const auto i : {0, 2}) {
        CHECK(run.refused()[static_cast<std::size_t>(i)].size() <= kRefusedBytesMax);
        CHECK(run.refused()[static_cast<std::size_t>(i)].find_first_not_of('x') == std::string::npos);
      }
      CHECK(run.refused()[1] == std::string(1001, 'z'));
    }
  }
}

TEST_CASE("a restart inside a refused line skips the rest of it") {
  TemporaryFolder folder;
  folder.write("in", std::string(500'000, 'x') + "\n2\n");
  Run run(folder, "in");
  run.config().line_max = Bytes{1000};
  run.poll(5000);
  CHECK(run.refused().size() == 1);
  run.restart();
  CHECK(run.drain(5000) == Lines{"2"});
  CHECK(run.refused().size() == 1);
}

TEST_CASE("several members and frames are one content") {
  TemporaryFolder folder;
  folder.write("a.gz", gzipped("1\n2") + gzipped("3\n") + gzipped("") + gzipped("4\n") + std::string(700, '\0'));
  folder.write("b.zst", zstd_packed("5\n6") + zstd_packed("7\n") + zstd_packed("8"));
  Run run(folder, "*.*");
  CHECK(run.drain() == Lines{"1", "23", "4", "5", "67", "8"});
  CHECK(run.warnings().empty());
  run.restart();
  CHECK(run.drain().empty());
}

TEST_CASE("of a damaged compressed file what is good is read, the loss is reported, and the next file is read") {
  Lines many;
  for (int i = 0; i < 20'000; ++i) many.push_back("{\"n\":" + std::to_string(i * 7919 % 20'011) + "}");
  for (const auto pack : {&gzipped, &zstd_packed}) {
    for (const bool cut : {true, false}) {
      TemporaryFolder folder;
      std::string packed = pack(joined(many));
      if (cut) {
        packed.resize(packed.size() - 100);
      } else {
        packed += "garbage";
      }
      folder.write("a", packed);
      folder.write("b", "next\n");
      Run run(folder, "?");
      auto read = run.drain(4096);
      REQUIRE_FALSE(read.empty());
      CHECK(read.back() == "next");
      read.pop_back();
      CHECK(std::ranges::equal(read, std::span(many).first(read.size())));
      CHECK(read.size() == (cut ? read.size() : many.size()));
      REQUIRE(run.warnings().size() == 1);
      CHECK(run.warned_of((folder / "a") + (cut ? " is cut off at byte " : " is damaged near byte ")));
      run.restart();
      CHECK(run.drain().empty());
      CHECK_MESSAGE(run.warnings().size() == 1, "told once");
    }
  }
}

TEST_CASE("a compressed file that was still being copied is read on when it is whole") {
  TemporaryFolder folder;
  Lines many;
  for (int i = 0; i < 20'000; ++i) many.push_back(std::to_string(i * 7919 % 20'011));
  const auto packed = gzipped(joined(many));
  folder.write("in", packed.substr(0, packed.size() / 2));
  Run run(folder, "in");
  run.drain();
  CHECK(run.lines().size() < many.size());
  folder.append("in", packed.substr(packed.size() / 2));
  run.restart();
  run.drain();
  CHECK(run.lines() == many);
}

TEST_CASE("a file that is gone before its turn is reported, and the others are read") {
  TemporaryFolder folder;
  folder.write("a", "1\n");
  folder.write("b", "2\n");
  Run run(folder, "?");
  run.restart();
  folder.remove("b");
  CHECK(run.drain() == Lines{"1"});
  CHECK(run.warned_of("/b is gone before it was read"));
}

TEST_CASE("a file that was replaced or removed while half read is reported as loss at the next start") {
  TemporaryFolder folder;
  folder.write("a", "first\nsecond\n");
  folder.write("b", "1\n");
  Run run(folder, "?");
  run.poll(6);
  CHECK(run.lines() == Lines{"first"});
  folder.remove("a");
  run.restart();
  CHECK(run.drain() == Lines{"1"});
  CHECK(run.warned_of("/a is gone before it was read to its end: what came after byte 6 is lost (its size was 13 bytes)"));
}

TEST_CASE("more lines in a file that was read to its end are read by the next run") {
  TemporaryFolder folder;
  folder.write("a", "1\n");
  Run run(folder, "a");
  CHECK(run.drain() == Lines{"1"});
  const auto partition = run.positions().front().partition;
  folder.append("a", "2\n");
  run.restart();
  CHECK(run.drain() == Lines{"2"});
  REQUIRE(run.positions().size() == 1);
  CHECK(run.positions().front().partition == partition);
}

TEST_CASE("the folder's own name is never a pattern") {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "[x]*");
  folder.write("[x]*/in.ndjson", "1\n");
  FileSource::Config config;
  config.path = "*.ndjson";
  fakes::ManualClock clock;
  NoHttp http;
  FileSource source(config, ConnectorContext{"orders", folder / "[x]*", clock, http});
  REQUIRE(source.open({}).has_value());
  RawBatch batch;
  REQUIRE(source.poll(batch, 100).has_value());
  CHECK(batch.records.size() == 1);
}

}  // namespace penstock::sources::file
