#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <thread>

#include "connectors/destinations/stdout/stdout_destination.h"
#include "tests/conformance/destination_conformance.h"
#include "tests/fakes/manual_clock.h"

namespace penstock::destinations::stdout {

namespace {

using Lines = std::vector<std::string>;

struct NoHttp final : HttpClient {
  void send(HttpRequest, std::move_only_function<void(Result<HttpReply>)>) override { FAIL("nothing is sent"); }
};

std::unique_ptr<StdoutDestination> destination_on(int fd, StdoutSink::Config config = {}) {
  static fakes::ManualClock clock;
  static NoHttp http;
  return std::make_unique<StdoutDestination>(config, ConnectorContext{"out", "", clock, http}, fd);
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void close_read() { shut(ends[0]); }
  void close_write() { shut(ends[1]); }
  int writer() const { return ends[1]; }
  std::string read_to_end() const {
    std::string text;
    std::array<char, 4096> chunk;
    for (ssize_t n = 0; (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;)
      text.append(chunk.data(), static_cast<std::size_t>(n));
    return text;
  }

  static void shut(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  std::array<int, 2> ends{-1, -1};
};

// Collects outcomes and lets a test wait for them.
class Answers {
 public:
  Completion expect() {
    return [this](Outcomes outcomes) {
      const std::lock_guard lock(mutex_);
      outcomes_.push_back(std::move(outcomes.each.front()));
      changed_.notify_all();
    };
  }
  std::vector<Outcome> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return outcomes_.size() >= count; }));
    return outcomes_;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return outcomes_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Outcome> outcomes_;
};

Batch batch_of(const std::string& body) {
  auto text = std::make_shared<const std::string>(body);
  Batch batch;
  batch.events.push_back({{}, *text});
  batch.bytes = body.size();
  batch.keeps.push_back(std::move(text));
  return batch;
}

}  // namespace

TEST_CASE("stdout keeps the contract of destinations") {
  std::string path = "/tmp/penstock-stdout-XXXXXX";
  const int fd = ::mkostemp(path.data(), O_APPEND | O_CLOEXEC);
  REQUIRE(fd >= 0);
  ::unlink(path.c_str());
  conformance::destination_conformance({
      .make = [&] { return destination_on(fd); },
      .received =
          [&] {
            std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
            REQUIRE(::pread(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
            return lines_of(text);
          },
  });
  ::close(fd);
}

TEST_CASE("events go through a pipe line by line, body or envelope") {
  Pipe pipe;
  Answers outcomes;
  auto destination = destination_on(pipe.writer());
  REQUIRE(destination->connect({}).has_value());
  destination->submit(batch_of("{\"a\":\n1}"), outcomes.expect());
  CHECK(outcomes.wait_for(1).front().kind == Outcome::Kind::delivered);
  destination->close();
  destination = destination_on(pipe.writer(), {Format::envelope});
  REQUIRE(destination->connect({}).has_value());
  destination->submit(batch_of("{\"a\":2}"), outcomes.expect());
  outcomes.wait_for(2);
  destination->close();
  pipe.close_write();
  const auto lines = lines_of(pipe.read_to_end());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "{\"a\": 1}");
  CHECK(lines[1].find("\"uuid\"") != std::string::npos);
  CHECK(lines[1].ends_with("\"data\":{\"a\":2}}"));
}

TEST_CASE("a reader that goes away is unavailable, and the process lives") {
  Pipe pipe;
  Answers outcomes;
  auto destination = destination_on(pipe.writer());
  REQUIRE(destination->connect({}).has_value());
  pipe.close_read();
  destination->submit(batch_of("{}"), outcomes.expect());
  const auto outcome = outcomes.wait_for(1).front();
  CHECK(outcome.kind == Outcome::Kind::unavailable);
  CHECK(outcome.code == "broken_pipe");
  const auto again = destination->connect({});
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().message.find("gone away") != std::string::npos);
  destination->close();
}

TEST_CASE("a slow reader holds up the batch but not submit, and gets everything in the end") {
  Pipe pipe;
  Answers outcomes;
  auto destination = destination_on(pipe.writer());
  REQUIRE(destination->connect({}).has_value());
  const std::string large = "{\"x\":\"" + std::string(300'000, 'x') + "\"}";
  for (int i = 0; i < 3; ++i) destination->submit(batch_of(large), outcomes.expect());
  CHECK(outcomes.count() == 0);
  std::string text;
  std::thread reader([&] { text = pipe.read_to_end(); });
  for (const auto& outcome : outcomes.wait_for(3)) CHECK(outcome.kind == Outcome::Kind::delivered);
  destination->close();
  pipe.close_write();
  reader.join();
  CHECK(lines_of(text) == Lines{large, large, large});
}

TEST_CASE("close does not wait for a reader that never reads") {
  Pipe pipe;
  Answers outcomes;
  auto destination = destination_on(pipe.writer());
  REQUIRE(destination->connect({}).has_value());
  for (int i = 0; i < 2; ++i) destination->submit(batch_of(std::string(300'000, 'x')), outcomes.expect());
  destination->close();
  for (const auto& outcome : outcomes.wait_for(2)) CHECK(outcome.code == "closed");
}

TEST_CASE("what cannot be written says why") {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  REQUIRE(full >= 0);
  Answers outcomes;
  auto destination = destination_on(full);
  REQUIRE(destination->connect({}).has_value());
  destination->submit(batch_of("{}"), outcomes.expect());
  CHECK(outcomes.wait_for(1).front().code == "enospc");
  destination->close();
  ::close(full);
  constexpr int kNeverOpened = 987;
  CHECK_FALSE(destination_on(kNeverOpened)->connect({}).has_value());
  const int only_read = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK(destination_on(only_read)->connect({}).error().message.starts_with("standard output is not open"));
  ::close(only_read);
}

}  // namespace penstock::destinations::stdout
