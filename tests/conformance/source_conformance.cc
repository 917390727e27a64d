#include "tests/conformance/source_conformance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace penstock::conformance {
namespace {

using Bodies = std::vector<std::string>;
using Positions = std::vector<SourcePosition>;

// More polls than any case can need: a source that never gets to its end fails instead of hanging.
constexpr int kPollsMax = 10'000;

Bodies numbered(int from, int count) {
  Bodies bodies;
  for (int i = from; i < from + count; ++i) {
    bodies.push_back(R"({"event":"e","n":)" + std::to_string(i) + R"(,"pad":")" +
                     std::string(static_cast<std::size_t>(i % 50), 'p') + "\"}");
  }
  return bodies;
}

Bodies sorted(Bodies bodies) {
  std::ranges::sort(bodies);
  return bodies;
}

// What the log would hold after each poll was committed.
class Reading {
 public:
  // After each poll the positions are noted, so that a case can start again from any of them.
  struct Boundary {
    Positions positions;
    std::size_t records = 0;
  };

  explicit Reading(const SourceUnderTest& under_test, const Positions& from = {})
      : source_(under_test.make()), positions_(from) {
    REQUIRE(source_ != nullptr);
    const auto opened = source_->open(from);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    boundaries_.push_back({positions_, 0});
  }

  // Polls until there is nothing more.
  const Bodies& to_the_end(std::size_t bytes_max) {
    RawBatch batch;
    for (int i = 0; i < kPollsMax; ++i) {
      const auto state = source_->poll(batch, bytes_max);
      REQUIRE_MESSAGE(state.has_value(), (state ? "" : state.error().message));
      take(std::move(batch));  // the worker may move a batch on: its views must survive that
      batch = RawBatch{};
      if (*state != PollState::more) return bodies_;
    }
    FAIL("the source did not get to its end");
    return bodies_;
  }

  // As when the log refused what was read since: the same instance, further back.
  void go_back_to(const Boundary& boundary) {
    const Boundary to = boundary;
    source_->close();
    const auto opened = source_->open(to.positions);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    positions_ = to.positions;
    bodies_.resize(to.records);
    last_offset_.clear();
    boundaries_.clear();
  }

  const Bodies& bodies() const { return bodies_; }
  const Positions& positions() const { return positions_; }
  const std::vector<Boundary>& boundaries() const { return boundaries_; }
  PolledSource& source() { return *source_; }

 private:
  void take(RawBatch batch) {
    CHECK_MESSAGE(batch.warnings.empty(), (batch.warnings.empty() ? "" : batch.warnings.front().text));
    if (batch.position.empty()) {
      CHECK_MESSAGE(batch.records.empty(), "records without a position would come again");
      return;
    }
    CHECK_FALSE(batch.partition.empty());
    CHECK_FALSE(batch.label.empty());
    for (const auto& record : batch.records) {
      CHECK(record.refused.empty());
      const auto last = last_offset_.find(batch.partition);
      CHECK_MESSAGE((last == last_offset_.end() || record.offset > last->second), "offsets grow within a partition");
      last_offset_[batch.partition] = record.offset;
      bodies_.emplace_back(record.body);
    }
    const auto at = std::ranges::find(positions_, batch.partition, &SourcePosition::partition);
    if (at == positions_.end()) {
      positions_.push_back({"under_test", batch.partition, batch.position});
    } else {
      at->position = batch.position;
    }
    boundaries_.push_back({positions_, bodies_.size()});
  }

  std::unique_ptr<PolledSource> source_;
  Positions positions_;
  Bodies bodies_;
  std::map<std::string, std::uint64_t> last_offset_;
  std::vector<Boundary> boundaries_;
};

void same_records(const SourceUnderTest& under_test, const Bodies& read, const Bodies& written) {
  if (under_test.partitions == 1) {
    CHECK(read == written);
  } else {
    CHECK(sorted(read) == sorted(written));
  }
}

void reads_each_once(const SourceUnderTest& under_test) {
  const auto written = numbered(0, 300);
  under_test.write(written);
  for (const std::size_t bytes_max : {std::size_t{1}, std::size_t{500}, std::size_t{1} << 20}) {
    CAPTURE(bytes_max);
    Reading reading(under_test);
    same_records(under_test, reading.to_the_end(bytes_max), written);
  }
}

void keeps_bytes(const SourceUnderTest& under_test) {
  const Bodies odd = {
      R"({"z":1.0,"a":18446744073709551617,"b":1e400,"list":[],"map":{},"none":null})",
      R"({ "spaces" : { "x" : [ 1 , 2 ] } })",
      "{\"utf8\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
      "not json at all \x01\xff",
      R"({"long":")" + std::string(200'000, 'x') + R"("})",
  };
  under_test.write(odd);
  Reading reading(under_test);
  same_records(under_test, reading.to_the_end(4096), odd);
}

void resumes_at_every_boundary(const SourceUnderTest& under_test) {
  const auto written = numbered(0, 60);
  under_test.write(written);
  Reading whole(under_test);
  whole.to_the_end(300);
  REQUIRE(whole.boundaries().size() > 2);
  for (const auto& boundary : whole.boundaries()) {
    CAPTURE(boundary.records);
    Reading rest(under_test, boundary.positions);
    Bodies both(whole.bodies().begin(), whole.bodies().begin() + static_cast<std::ptrdiff_t>(boundary.records));
    for (const auto& body : rest.to_the_end(300)) both.push_back(body);
    same_records(under_test, both, written);
  }
}

void reads_only_what_is_new(const SourceUnderTest& under_test) {
  under_test.write(numbered(0, 20));
  Reading first(under_test);
  first.to_the_end(1 << 20);
  {
    Reading nothing(under_test, first.positions());
    CHECK(nothing.to_the_end(1 << 20).empty());
  }
  under_test.write(numbered(20, 20));
  Reading second(under_test, first.positions());
  same_records(under_test, second.to_the_end(1 << 20), numbered(20, 20));
}

void stays_at_its_end(const SourceUnderTest& under_test) {
  under_test.write(numbered(0, 5));
  Reading reading(under_test);
  reading.to_the_end(1 << 20);
  RawBatch batch;
  for (int i = 0; i < 3; ++i) {
    const auto state = reading.source().poll(batch, 1 << 20);
    REQUIRE(state.has_value());
    CHECK(*state != PollState::more);
    CHECK(batch.records.empty());
  }
}

void opens_again_after_close(const SourceUnderTest& under_test) {
  under_test.write(numbered(0, 20));
  Reading reading(under_test);
  reading.to_the_end(1 << 20);
  reading.source().close();
  REQUIRE(reading.source().open(reading.positions()).has_value());
  CHECK(reading.to_the_end(1 << 20).size() == 20);
}

void goes_back(const SourceUnderTest& under_test) {
  const auto written = numbered(0, 60);
  under_test.write(written);
  Reading reading(under_test);
  reading.to_the_end(300);
  const auto boundaries = reading.boundaries();
  REQUIRE(boundaries.size() > 2);
  for (const std::size_t at : {boundaries.size() / 2, std::size_t{0}}) {
    CAPTURE(at);
    reading.go_back_to(boundaries[at]);
    same_records(under_test, reading.to_the_end(300), written);
  }
}

void knows_what_is_unread(const SourceUnderTest& under_test) {
  under_test.write(numbered(0, 20));
  Reading reading(under_test);
  reading.to_the_end(1 << 20);
  CHECK(reading.source().unread_bytes().value_or(0) == 0);
}

}  // namespace

void source_conformance(const SourceUnderTest& under_test) {
  SUBCASE("every record comes once, whatever a poll may read") { reads_each_once(under_test); }
  SUBCASE("bodies keep their bytes") { keeps_bytes(under_test); }
  SUBCASE("every position resumes with exactly the rest") { resumes_at_every_boundary(under_test); }
  SUBCASE("a new instance reads only what is new") { reads_only_what_is_new(under_test); }
  SUBCASE("the end stays the end") { stays_at_its_end(under_test); }
  SUBCASE("an instance opens again after close") { opens_again_after_close(under_test); }
  SUBCASE("an instance goes back to where the log stands, and reads the rest again") { goes_back(under_test); }
  SUBCASE("at the end nothing is unread") { knows_what_is_unread(under_test); }
  SUBCASE("close without an open, or a second time, is harmless") {
    under_test.write(numbered(0, 3));
    under_test.make()->close();
    Reading reading(under_test);
    reading.to_the_end(1 << 20);
    reading.source().close();
    reading.source().close();
    CHECK(reading.bodies().size() == 3);
  }
  SUBCASE("a position that is not one of ours is an error") {
    under_test.write(numbered(0, 1));
    auto source = under_test.make();
    const auto opened = source->open({{"under_test", "x", "\xff\xff nonsense"}});
    REQUIRE_FALSE(opened.has_value());
    CHECK_FALSE(opened.error().message.empty());
  }
}

}  // namespace penstock::conformance
