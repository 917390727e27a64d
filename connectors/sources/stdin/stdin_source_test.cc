#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sources/stdin/line_buffer.h"
#include "connectors/sources/stdin/stdin_source.h"
#include "tests/conformance/pushed_source_conformance.h"
#include "tests/fakes/fake_intake.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::sources::stdin {

namespace {

using Lines = std::vector<std::string>;

struct NoHttp final : HttpClient {
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    REQUIRE(n > 0);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// A source on the reading end of a pipe, and the test at the other.
class Rig {
 public:
  explicit Rig(StdinSource::Config config = {}) {
    REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    source_ = std::make_unique<StdinSource>(config, ConnectorContext{"in", "", clock_, http_}, ends_[0]);
  }
  ~Rig() {
    source_.reset();
    ::close(ends_[0]);
    end_input();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void start() { REQUIRE(source_->start(intake).has_value()); }
  void write(std::string_view text) { write_all(ends_[1], text); }
  void end_input() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  bool wait_until_finished() {
    return wait([&] { return source_->finished(); });
  }
  StdinSource& source() { return *source_; }

  static bool wait(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  fakes::FakeIntake intake;

 private:
  std::array<int, 2> ends_{-1, -1};
  fakes::ManualClock clock_;
  NoHttp http_;
  std::unique_ptr<StdinSource> source_;
};

Lines texts(const PushedRecords& records) { return {records.bodies.begin(), records.bodies.end()}; }

}  // namespace

TEST_CASE("stdin keeps the contract of pushed sources") {
  std::array<int, 2> ends{-1, -1};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  fakes::ManualClock clock;
  NoHttp http;
  conformance::pushed_source_conformance({
      .make =
          [&] {
            return std::make_unique<StdinSource>(StdinSource::Config{}, ConnectorContext{"in", "", clock, http}, ends[0]);
          },
      .send =
          [&](const Lines& bodies) {
            for (const auto& body : bodies) write_all(ends[1], body + "\n");
          },
  });
  for (const int end : ends) ::close(end);
}

TEST_CASE("every line arrives in order, and the end of the input ends the source") {
  Rig rig;
  rig.start();
  rig.write("{\"n\":1}\r\n\n \t\r\n{\"n\":2}\n{\"n\"");
  CHECK(rig.intake.wait_for_pushes(1));
  CHECK_FALSE(rig.source().finished());
  rig.write(":3}\nlast");
  rig.end_input();
  CHECK(rig.wait_until_finished());
  CHECK(rig.intake.received() == Lines{"{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "last"});
}

TEST_CASE("nothing is over before everything was answered") {
  Rig rig;
  rig.intake.cork();
  rig.start();
  rig.write("1\n");
  CHECK(rig.intake.wait_for_pushes(1));
  rig.write("2\n");
  rig.end_input();
  CHECK_FALSE(rig.source().finished());
  CHECK(rig.intake.pushes().size() == 1);
  rig.intake.uncork();
  CHECK(rig.wait_until_finished());
  CHECK(rig.intake.received() == Lines{"1", "2"});
}

TEST_CASE("what the intake cannot take is pushed again, in order, and never dropped") {
  Rig rig;
  rig.intake.fail_with(Error{ErrorKind::unavailable, "the log is full"});
  rig.start();
  Lines lines;
  for (int i = 0; i < 1000; ++i) {
    lines.push_back("{\"n\":" + std::to_string(i) + "}");
    rig.write(lines.back() + "\n");
    if (i == 500) rig.intake.fail_with(std::nullopt);
  }
  rig.end_input();
  CHECK(rig.wait_until_finished());
  CHECK(rig.intake.received() == lines);
}

TEST_CASE("unanswered lines hold up the writer, at a bounded number of bytes") {
  Rig rig;
  rig.intake.cork();
  rig.start();
  std::atomic<std::size_t> written = 0;
  const std::string line(999, 'x');
  constexpr std::size_t kLines = 20'000;
  std::thread writer([&] {
    for (std::size_t i = 0; i < kLines; ++i) {
      rig.write(line + "\n");
      written += 1000;
    }
    rig.end_input();
  });
  CHECK(Rig::wait([&] { return written > (8U << 20); }));
  CHECK(written < (10U << 20));
  CHECK(rig.intake.pushes().size() == 1);
  rig.intake.uncork();
  writer.join();
  CHECK(rig.wait_until_finished());
  CHECK(rig.intake.received() == Lines(kLines, line));
}

TEST_CASE("stop does not wait for input, but for answers") {
  Rig rig;
  rig.start();
  rig.source().stop();
  CHECK_FALSE(rig.source().finished());

  Rig busy;
  busy.intake.cork();
  busy.start();
  busy.write("1\n");
  CHECK(busy.intake.wait_for_pushes(1));
  std::atomic<bool> stopped = false;
  std::thread stopper([&] {
    busy.source().stop();
    stopped = true;
  });
  CHECK_FALSE(stopped);
  busy.intake.uncork();
  stopper.join();
  CHECK(busy.intake.received() == Lines{"1"});
}

TEST_CASE("stop gives up on what the intake refuses") {
  Rig rig;
  rig.intake.fail_with(Error{ErrorKind::unavailable, "the log is closing"});
  rig.start();
  rig.write("1\n");
  rig.source().stop();
  CHECK(rig.intake.received().empty());
}

TEST_CASE("a standard input that is not open is an error") {
  fakes::ManualClock clock;
  NoHttp http;
  fakes::FakeIntake intake;
  const int only_written = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (const int fd : {987, only_written}) {
    StdinSource source({}, ConnectorContext{"in", "", clock, http}, fd);
    const auto started = source.start(intake);
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().message.find("standard input is not open") != std::string::npos);
  }
  ::close(only_written);
}

TEST_CASE("a line over the limit is its beginning, however it comes in, and the next line is whole") {
  constexpr std::uint64_t kLimit = 100'000;
  const std::string fits(kLimit, 'f');
  const std::string over(kLimit + 1, 'o');
  const std::string input = fits + "\r\n" + over + "\r\n" + fits + "\n" + over + over + over + "\n{}\n" + over;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::size_t{99'999}, input.size()}) {
    CAPTURE(piece);
    LineBuffer buffer(kLimit);
    Lines lines;
    std::size_t held_max = 0;
    const auto take_all = [&] {
      for (auto text = buffer.lines(150'000); !text.empty(); text = buffer.lines(150'000)) {
        for (auto& line : texts(records_of(text, kLimit))) lines.push_back(std::move(line));
        buffer.drop(text.size());
      }
    };
    for (std::size_t at = 0; at < input.size(); at += piece) {
      buffer.add(std::string_view(input).substr(at, piece));
      held_max = std::max(held_max, buffer.bytes());
      take_all();
    }
    buffer.end();
    take_all();
    const std::string kept(kLongLineBytes, 'o');
    CHECK(lines == Lines{fits, kept, fits, kept, "{}", kept});
    CHECK(held_max <= kLimit + piece + 2);
    CHECK(buffer.bytes() == 0);
  }
}

TEST_CASE("records survive being moved, even the shortest") {
  auto records = records_of("1\n", 100);
  const auto moved = std::move(records);
  CHECK(texts(moved) == Lines{"1"});
  CHECK(moved.bodies.front().data() == moved.text.data());
}

TEST_CASE("an input that cannot be read is not one that has ended") {
  const int folder = ::open("/", O_RDONLY | O_CLOEXEC);  // any read of it fails
  REQUIRE(folder >= 0);
  const fakes::ManualClock clock;
  NoHttp http;
  fakes::FakeIntake intake;
  StdinSource source({}, ConnectorContext{"in", "", clock, http}, folder);
  REQUIRE(source.start(intake).has_value());
  while (!source.failure() && !source.finished()) std::this_thread::yield();
  CHECK_FALSE(source.finished());
  REQUIRE(source.failure());
  CHECK(source.failure()->message.find("source in: standard input cannot be read to its end: ") == 0);
  source.stop();
  ::close(folder);
}

}  // namespace penstock::sources::stdin
