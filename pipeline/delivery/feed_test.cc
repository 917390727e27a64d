// What a destination reads of the log when that has trouble.
#include "pipeline/delivery/feed.h"

#include <doctest/doctest.h>

#include "pipeline/base/checksum.h"
#include "pipeline/event/chunk.h"
#include "pipeline/event/chunk_format.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/memory_log.h"

namespace penstock::delivery {
namespace {

// A record with one event, whose body cannot be unpacked.
LogRecord damaged_record() {
  Facts facts;
  facts.event = "signup";
  ChunkBuilder builder(0, Compression::lz4);
  builder.add(facts, R"({"event":"signup","text":")" + std::string(10'000, 'x') + R"("})");
  std::string stored;
  builder.finish(stored);
  // Checksums are looked at when a chunk is opened, so what is wrong was wrong when it was written.
  ChunkHeader header = read_chunk_header(stored).value();
  const std::string bodies(header.bodies_stored_bytes, '\xff');
  stored.replace(stored.size() - bodies.size(), bodies.size(), bodies);
  header.bodies_checksum = checksum(bodies);
  std::string renewed;
  write_chunk_header(header, renewed);
  stored.replace(0, renewed.size(), renewed);
  LogRecord record;
  record.chunks.push_back(std::move(stored));
  return record;
}

}  // namespace

TEST_CASE("after a body that cannot be read the feed asks the log again, and goes on where it can") {
  const fakes::ManualClock clock;
  fakes::MemoryLog log(clock, 1);
  log.append(LogName::events, damaged_record(), [](const Result<Appended>& done) { REQUIRE(done.has_value()); });
  log.add(LogName::events, {{.body = R"({"event":"b"})", .received_at = {}}});
  const EventFilter filter;
  Feed feed(log, filter, {0});
  const auto damaged = feed.next();
  REQUIRE_FALSE(damaged.has_value());
  CHECK(damaged.error().kind == ErrorKind::corrupt);
  CHECK_FALSE(feed.next().has_value());
  log.drop_records_before(LogName::events, 1);
  const auto step = feed.next();
  REQUIRE_MESSAGE(step.has_value(), (step ? "" : step.error().message));
  CHECK(*step == Feed::Step::event);
  CHECK(feed.current().view.body == R"({"event":"b"})");
  CHECK(feed.collect_skipped() == 1);
}

TEST_CASE("what a log says to be gone only when it is read is skipped and counted") {
  const fakes::ManualClock clock;
  fakes::MemoryLog log(clock, 1);
  for (const char* body : {R"({"event":"a"})", R"({"event":"b"})", R"({"event":"c"})"})
    log.add(LogName::events, {{.body = body, .received_at = {}}});
  const EventFilter filter;
  Feed feed(log, filter, {0});
  REQUIRE(feed.next().has_value());
  feed.take();
  log.drop_records_before(LogName::events, 2);
  log.fail_next_read({ErrorKind::not_found, "it begins at 2"});
  const auto step = feed.next();
  REQUIRE_MESSAGE(step.has_value(), (step ? "" : step.error().message));
  CHECK(feed.current().view.body == R"({"event":"c"})");
  CHECK(feed.collect_skipped() == 1);
}

TEST_CASE("what retention removed behind the end of a stretch is not counted as its loss") {
  const fakes::ManualClock clock;
  fakes::MemoryLog log(clock, 1);
  for (int i = 0; i < 5; ++i) log.add(LogName::events, {{.body = R"({"event":"b"})", .received_at = {}}});
  const EventFilter filter;
  Feed feed(log, filter, {0}, {2});
  log.drop_records_before(LogName::events, 4);
  CHECK(feed.skip_removed());
  CHECK(feed.collect_skipped() == 2);
  log.drop_records_before(LogName::events, 5);
  CHECK(feed.skip_removed());
  CHECK(feed.collect_skipped() == 0);
}

}  // namespace penstock::delivery
