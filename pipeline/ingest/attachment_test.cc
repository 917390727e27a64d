// What a message has besides its body goes with all that comes of it, into the record that is appended.

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
using namespace testing;

namespace {

// Keeps what is appended to `events` as it is.
class KeepingLog final : public fakes::MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  void append(LogName log, LogRecord record, AppendDone done) override {
    for (std::size_t c = 0; log == LogName::events && c < record.chunks.size(); ++c) {
      const auto chunk = Chunk::open(record.chunks[c]).value();
      for (std::uint32_t i = 0; i < chunk->size(); ++i) {
        const Attachment attachment = c < record.attachments.size() ? record.attachments[c].of(i) : Attachment{};
        kept.push_back({std::string(chunk->body(i).value()), std::string(chunk->facts(i).distinct_id),
                        std::string(attachment.key.value_or("-")), std::string(attachment.headers), attachment.time.ms});
      }
    }
    MemoryLog::append(log, std::move(record), std::move(done));
  }
  struct Kept {
    std::string body, distinct_id, key, headers;
    std::int64_t time = 0;
  };
  std::vector<Kept> kept;
};

// Two messages in one partition: an event, and a tombstone of the same key.
class Messages final : public PolledSource {
 public:
  explicit Messages(std::string event) : event_(std::move(event)) {}
  Result<void> open(const std::vector<SourcePosition>&) override { return {}; }
  Result<PollState> poll(RawBatch& out, std::size_t) override {
    if (std::exchange(over_, true)) return PollState::finished;
    out.partition = "orders/3";
    out.label = "orders[3]";
    out.position = "19";
    out.attachments = {{.key = "u1", .time = {1000}, .headers = "h"}, {.key = "u1", .time = {2000}, .headers = {}}};
    out.records.push_back({.body = event_, .offset = 17, .refused = {}, .attachment = out.attachments.data()});
    out.records.push_back(
        {.body = {}, .offset = 18, .refused = {}, .attachment = out.attachments.data() + 1, .tombstone = true});
    return PollState::more;
  }
  void close() override {}

 private:
  const std::string event_;
  bool over_ = false;
};

struct Run {
  fakes::ManualClock clock;
  KeepingLog log{clock};
  std::vector<DeadLetter> dead;
  MemoryState state;

  explicit Run(const std::string& event) {
    SeenUuids seen{DedupSettings{}};
    std::vector<PolledInput> polled;
    polled.push_back({{.name = "orders", .project = "shop", .paths = {}}, std::make_unique<Messages>(event), {}});
    Worker worker(
        log, clock, [](const std::string&) { return std::vector<SourcePosition>(); },
        [this](std::uint64_t, const LogRecord& changes) { std::ranges::copy(changes.dead, std::back_inserter(dead)); },
        state, seen, std::make_unique<ByName>(), std::move(polled), {}, {}, {});
    REQUIRE(worker.open());
    run_until_idle(worker);
  }
};

}  // namespace

TEST_CASE("every event that comes of a message has what was attached to it, and a tombstone follows in its partition") {
  for (const std::string name : {"signup", "six"}) {
    CAPTURE(name);
    const Run run(line(name, 1));
    const std::size_t events = name == "six" ? 6 : 1;
    REQUIRE(run.log.kept.size() == events + 1);
    for (std::size_t i = 0; i < events; ++i) {
      CHECK(run.log.kept[i].key == "u1");
      CHECK(run.log.kept[i].headers == "h");
      CHECK(run.log.kept[i].time == 1000);
    }
    CHECK(run.log.kept.back().body.empty());
    CHECK(run.log.kept.back().distinct_id == "u1");
    CHECK(run.log.kept.back().key == "u1");
    CHECK(run.log.kept.back().time == 2000);
  }
}

TEST_CASE("an event that an app failed on says where its message stands") {
  const Run run(line("fail", 1));
  REQUIRE(run.dead.size() == 1);
  CHECK(run.dead[0].place == "orders[3] at 17");
  CHECK(run.log.kept.size() == 1);
}

}  // namespace penstock::ingest
