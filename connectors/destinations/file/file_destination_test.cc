#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <optional>
#include <random>

#include "connectors/destinations/file/file_destination.h"
#include "connectors/sources/file/file_rig.h"
#include "tests/conformance/destination_conformance.h"

namespace penstock::destinations::file {

namespace {

using sources::file::Lines;
using sources::file::TemporaryFolder;

// What a file source makes of what was written: lines of all files that match, in name order.
Lines read_back(const TemporaryFolder& folder, const std::string& pattern) {
  sources::file::Run run(folder, pattern);
  if (!run.open()) return {};
  auto lines = run.drain();
  CHECK(run.warnings().empty());
  return lines;
}

Batch batch_of(const Lines& bodies) {
  auto texts = std::make_shared<const Lines>(bodies);
  Batch batch;
  for (const auto& body : *texts) {
    Facts facts;
    facts.project = "shop";
    facts.event = "signup";
    facts.source = "web";
    batch.events.push_back({facts, body});
  }
  batch.keeps.push_back(std::move(texts));
  return batch;
}

// A sink without its thread, as a process that may be killed: it then never closes.
class Sink {
 public:
  explicit Sink(const TemporaryFolder& folder) : folder_(folder) { config.path = "out"; }

  Result<void> open() {
    sink_ = std::make_unique<FileSink>(config, ConnectorContext{"archive", folder_.path(), clock, http_});
    return sink_->open({});
  }
  // The outcome of each batch.
  std::vector<Outcome> write(const std::vector<Lines>& group) {
    std::vector<Batch> batches;
    for (const auto& bodies : group) batches.push_back(batch_of(bodies));
    std::vector<Outcomes> outcomes(group.size(), Outcomes::all(Outcome::delivered()));
    sink_->write(batches, outcomes);
    std::vector<Outcome> first;
    for (auto& outcome : outcomes) first.push_back(outcome.each.front());
    return first;
  }
  void deliver(const Lines& bodies) {
    if (!sink_) REQUIRE(open().has_value());
    const auto outcomes = write({bodies});
    REQUIRE_MESSAGE(outcomes.front().kind == Outcome::Kind::delivered, outcomes.front().reason);
  }
  void kill() { sink_.reset(); }
  FileSink& sink() { return *sink_; }

  FileSink::Config config;
  fakes::ManualClock clock;

 private:
  const TemporaryFolder& folder_;
  sources::file::NoHttp http_;
  std::unique_ptr<FileSink> sink_;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Lines names_in(const TemporaryFolder& folder) {
  Lines names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// As long as it lives no file of this process can grow past so many bytes.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*handler_)(int) = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before_{};
};

void keeps_the_contract(Compression compression, bool atomic) {
  TemporaryFolder folder;
  fakes::ManualClock clock;
  sources::file::NoHttp http;
  FileSink::Config config;
  config.path = "sub/out";
  config.compression = compression;
  config.atomic = atomic;
  std::optional<FullDisk> full;
  conformance::destination_conformance({
      .make =
          [&] { return std::make_unique<FileDestination>(config, ConnectorContext{"archive", folder.path(), clock, http}); },
      .received = [&] { return read_back(folder, "sub/out*"); },
      .break_connect = [&] { folder.write("sub", "a file where the folder should be"); },
      .mend_connect = [&] { folder.remove("sub"); },
      .break_writes = [&] { full.emplace(rlim_t{1}); },
      .mend_writes = [&] { full.reset(); },
  });
}

}  // namespace

TEST_CASE("file keeps the contract of destinations") { keeps_the_contract(Compression::none, false); }
TEST_CASE("gzip file keeps the contract of destinations") { keeps_the_contract(Compression::gzip, false); }
TEST_CASE("zstd file keeps the contract of destinations") { keeps_the_contract(Compression::zstd, false); }
TEST_CASE("atomic file keeps the contract of destinations") { keeps_the_contract(Compression::none, true); }

TEST_CASE("a body with line breaks stays on one line, and an envelope has the body inside") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.deliver({"{\"a\":1,\r\n \"b\":2}"});
  CHECK(bytes_of(folder / "out") == "{\"a\":1,   \"b\":2}\n");
  sink.config.format = Format::envelope;
  sink.config.path = "envelopes";
  sink.kill();
  sink.deliver({"{\"a\":\n1}"});
  const auto line = bytes_of(folder / "envelopes");
  CHECK(line.find("\"source\":\"web\",\"data\":{\"a\": 1}}\n") != std::string::npos);
}

TEST_CASE("a torn end is cut at open, wherever the kill fell, and nothing whole is lost") {
  const Lines first = {"{\"n\":1}", "{\"n\":22}"};
  const Lines second = {"{\"n\":333}", "{\"n\":4444}"};
  const Lines third = {"{\"n\":5}"};
  for (const auto compression : {Compression::none, Compression::gzip, Compression::zstd}) {
    TemporaryFolder folder;
    Sink sink(folder);
    sink.config.compression = compression;
    sink.deliver(first);
    const auto whole = bytes_of(folder / "out").size();
    sink.deliver(second);
    const auto all = bytes_of(folder / "out");
    for (std::size_t size = 0; size <= all.size(); ++size) {
      for (const bool zeros : {false, true}) {
        if (zeros && size % 4 != 0) continue;  // each case is several syncs
        CAPTURE(static_cast<int>(compression));
        CAPTURE(size);
        sink.kill();
        folder.write("out", all.substr(0, size) + std::string(zeros ? 10 : 0, '\0'));
        sink.deliver(third);
        auto lines = read_back(folder, "out");
        REQUIRE_FALSE(lines.empty());
        CHECK(lines.back() == third.front());
        lines.pop_back();
        Lines written = first;
        written.insert(written.end(), second.begin(), second.end());
        REQUIRE(lines.size() <= written.size());
        CHECK(std::equal(lines.begin(), lines.end(), written.begin()));
        if (size >= whole) CHECK(lines.size() >= first.size());
        if (size == all.size()) CHECK(lines.size() == written.size());
      }
    }
  }
}

TEST_CASE("a file of somebody else is refused and stays as it is") {
  struct Case {
    std::string content;
    Compression compression;
    const char* says;
  };
  const auto gzip = sources::file::gzipped("{}\n");
  const auto zstd = sources::file::zstd_packed("{}\n");
  const Case cases[] = {
      {"notes without a line end", Compression::none, "does not end with a line of JSON"},
      {"a line\nand a half", Compression::none, "does not end with a line of JSON"},
      {gzip, Compression::none, "is gzip, but is to be written as not compressed"},
      {zstd, Compression::gzip, "is zstd, but is to be written as gzip"},
      {"{}\n", Compression::zstd, "is not compressed, but is to be written as zstd"},
      {gzip, Compression::gzip, "written by another program"},
      {zstd + "{}\n", Compression::zstd, "was damaged at byte"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.says);
    TemporaryFolder folder;
    folder.write("out", c.content);
    Sink sink(folder);
    sink.config.compression = c.compression;
    const auto opened = sink.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().message.find(c.says) != std::string::npos);
    CHECK(bytes_of(folder / "out") == c.content);
  }
}

TEST_CASE("a path that cannot be written is an error that names it") {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "folder");
  struct Case {
    const char* path;
    const char* says;
  };
  const Case cases[] = {
      {"folder", "Is a directory"}, {"/dev/full", "is not a regular file"}, {"/proc/none/out", "/proc/none"}};
  for (const auto& c : cases) {
    Sink sink(folder);
    sink.config.path = c.path;
    const auto opened = sink.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK_MESSAGE(opened.error().message.find(c.says) != std::string::npos, opened.error().message);
  }
}

TEST_CASE("two destinations on one path are a conflict") {
  TemporaryFolder folder;
  Sink one(folder);
  Sink two(folder);
  REQUIRE(one.open().has_value());
  const auto opened = two.open();
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().kind == ErrorKind::conflict);
  one.sink().close();
  CHECK(two.open().has_value());
}

TEST_CASE("a full disk is unavailable, leaves only whole batches, and goes on when there is room") {
  for (const auto compression : {Compression::none, Compression::zstd}) {
    TemporaryFolder folder;
    Sink sink(folder);
    sink.config.compression = compression;
    std::string noise(20'000, ' ');
    std::mt19937 random(1);
    for (char& c : noise) c = static_cast<char>('0' + random() % 71);
    REQUIRE(sink.open().has_value());
    auto full = std::make_optional<FullDisk>(5000);
    const auto outcomes = sink.write({{"{\"n\":1}"}, {"{\"n\":2}", noise}, {"{\"n\":3}"}});
    full.reset();
    CHECK(outcomes[0].kind == Outcome::Kind::delivered);
    for (const std::size_t i : {1, 2}) {
      CHECK(outcomes[i].kind == Outcome::Kind::unavailable);
      CHECK(outcomes[i].code == "enospc");
      CHECK(outcomes[i].reason.find(folder / "out") != std::string::npos);
    }
    CHECK(read_back(folder, "out") == Lines{"{\"n\":1}"});
    CHECK(sink.write({{"{}"}}).front().kind == Outcome::Kind::unavailable);
    REQUIRE(sink.sink().open({}).has_value());
    sink.deliver({"{\"n\":2}"});
    CHECK(read_back(folder, "out") == Lines{"{\"n\":1}", "{\"n\":2}"});
  }
}

TEST_CASE("a file that someone renames, removes or truncates does not stop the next write") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.deliver({"1"});
  folder.rename("out", "out.1");
  sink.deliver({"2"});
  CHECK(bytes_of(folder / "out.1") == "1\n");
  CHECK(bytes_of(folder / "out") == "2\n");
  folder.remove("out");
  sink.deliver({"3"});
  CHECK(bytes_of(folder / "out") == "3\n");
  folder.write("out", "");
  sink.deliver({"4"});
  CHECK(bytes_of(folder / "out") == "4\n");
}

TEST_CASE("a write that comes after a failed one, before the file is opened anew, is told why") {
  const TemporaryFolder folder;
  Sink sink(folder);
  REQUIRE(sink.open().has_value());
  std::filesystem::rename(folder.path() + "/out", folder.path() + "/away");
  std::filesystem::create_directory(folder.path() + "/out");
  const Outcome first = sink.write({{"{}"}}).front();
  CHECK(first.reason.find("Is a directory") != std::string::npos);
  const Outcome second = sink.write({{"{}"}}).front();
  CHECK(second.reason == first.reason);
  CHECK(second.code == first.code);
}

TEST_CASE("rotation by size starts a new file after a whole batch and overwrites nothing") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.config.rotate.bytes = Bytes{10};
  folder.write("out.20251009T085320Z", "somebody's");
  for (const auto& body : {"1234567890", "2", "34567890", "4"}) sink.deliver({body});
  CHECK(names_in(folder) == Lines{"out", "out.20251009T085320Z", "out.20251009T085320Z-2", "out.20251009T085320Z-3"});
  CHECK(bytes_of(folder / "out.20251009T085320Z") == "somebody's");
  CHECK(bytes_of(folder / "out.20251009T085320Z-2") == "1234567890\n");
  CHECK(bytes_of(folder / "out.20251009T085320Z-3") == "2\n34567890\n");
  CHECK(bytes_of(folder / "out") == "4\n");
}

TEST_CASE("rotation falls between the batches of one group") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.config.rotate.bytes = Bytes{5};
  REQUIRE(sink.open().has_value());
  for (const auto& outcome : sink.write({{"12345"}, {"1234", "5678"}, {"3"}}))
    CHECK(outcome.kind == Outcome::Kind::delivered);
  CHECK(bytes_of(folder / "out") == "3\n");
  CHECK(names_in(folder).size() == 3);
}

TEST_CASE("rotation by age counts from the first line, and needs no further events") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.config.rotate.every = Duration{60'000};
  REQUIRE(sink.open().has_value());
  sink.clock.advance(Duration{100'000});
  sink.deliver({"1"});
  sink.clock.advance(Duration{59'000});
  sink.deliver({"2"});
  sink.sink().tick();
  CHECK(names_in(folder).size() == 1);
  sink.clock.advance(Duration{1'000});
  sink.sink().tick();
  CHECK(names_in(folder).size() == 2);
  CHECK(bytes_of(folder / "out").empty());
  sink.sink().tick();
  CHECK(names_in(folder).size() == 2);
}

TEST_CASE("an atomic file has its name only when it is complete") {
  TemporaryFolder folder;
  Sink sink(folder);
  sink.config.atomic = true;
  sink.deliver({"{\"n\":1}"});
  CHECK(names_in(folder) == Lines{"out.part"});
  sink.kill();
  folder.append("out.part", "{\"n\":");
  sink.deliver({"{\"n\":2}"});
  sink.sink().close();
  CHECK(names_in(folder) == Lines{"out"});
  CHECK(bytes_of(folder / "out") == "{\"n\":1}\n{\"n\":2}\n");
  REQUIRE(sink.sink().open({}).has_value());
  sink.sink().close();
  CHECK_MESSAGE(names_in(folder).size() == 1, "an empty file is not published");
  REQUIRE(sink.sink().open({}).has_value());
  sink.deliver({"{\"n\":3}"});
  sink.sink().close();
  CHECK(names_in(folder) == Lines{"out", "out.20251009T085320Z"});
  CHECK(bytes_of(folder / "out.20251009T085320Z") == "{\"n\":3}\n");
}

}  // namespace penstock::destinations::file
