#include "tests/conformance/pushed_source_conformance.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>

#include "tests/fakes/fake_intake.h"

namespace penstock::conformance {
namespace {

using Bodies = std::vector<std::string>;

// By then a stop that waits for nobody is back, also on a busy machine.
constexpr std::chrono::milliseconds kWouldHaveReturned{300};

Bodies numbered(int from, int count) {
  Bodies bodies;
  for (int i = from; i < from + count; ++i) bodies.push_back(R"({"event":"e","n":)" + std::to_string(i) + "}");
  return bodies;
}

void must_start(PushedSource& source, Intake& intake) {
  const auto started = source.start(intake);
  REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message));
}

void check_received(fakes::FakeIntake& intake, const Bodies& expected) {
  CHECK(intake.wait_for_records(expected.size()));
  CHECK(intake.received() == expected);
}

void brings_each_once(const PushedSourceUnderTest& under_test) {
  const Bodies odd = {
      R"({"z":1.0,"a":18446744073709551617,"b":1e400,"list":[],"map":{},"none":null})",
      R"({ "spaces" : { "x" : [ 1 , 2 ] } })",
      R"({"escapes":"a\"b\\c\n\u00e9\/ \ud83d\ude00"})",
      "{\"utf8\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
      R"({"long":")" + std::string(200'000, 'x') + R"("})",
  };
  fakes::FakeIntake intake;
  const auto source = under_test.make();
  must_start(*source, intake);
  under_test.send(odd);
  check_received(intake, odd);
  CHECK_FALSE(source->finished());
  source->stop();
  CHECK(intake.received() == odd);
}

void stop_waits_for_answers(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  const auto source = under_test.make();
  must_start(*source, intake);
  intake.cork();
  under_test.send(numbered(0, 3));
  REQUIRE(intake.wait_for_pushes(1));
  // How many were unanswered when stop had returned.
  auto stopping = std::async(std::launch::async, [&] {
    source->stop();
    return intake.unanswered();
  });
  CHECK(stopping.wait_for(kWouldHaveReturned) == std::future_status::timeout);
  intake.uncork();
  CHECK(stopping.get() == 0);
  CHECK(intake.received() == numbered(0, 3));
}

void stop_ends_while_refused(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  const auto source = under_test.make();
  must_start(*source, intake);
  intake.fail_with(Error{ErrorKind::unavailable, "the log is full"});
  under_test.send(numbered(0, 3));
  REQUIRE(intake.wait_for_failures(1));
  source->stop();
  intake.fail_with(std::nullopt);
  CHECK(intake.received().empty());
}

void brings_nothing_once_stopped(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  const auto source = under_test.make();
  must_start(*source, intake);
  under_test.send(numbered(0, 3));
  check_received(intake, numbered(0, 3));
  source->stop();
  under_test.send(numbered(3, 3));
  CHECK(intake.received() == numbered(0, 3));
}

void starts_again(const PushedSourceUnderTest& under_test, bool new_instance) {
  fakes::FakeIntake intake;
  auto source = under_test.make();
  for (int i = 0; i < 3; ++i) {
    must_start(*source, intake);
    under_test.send(numbered(i * 3, 3));
    check_received(intake, numbered(0, (i + 1) * 3));
    source->stop();
    if (!new_instance) continue;
    source.reset();
    source = under_test.make();
  }
  CHECK(intake.received() == numbered(0, 9));
}

void stop_is_harmless(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  under_test.make()->stop();
  const auto source = under_test.make();
  must_start(*source, intake);
  under_test.send(numbered(0, 1));
  check_received(intake, numbered(0, 1));
  source->stop();
  source->stop();
  CHECK(intake.received().size() == 1);
}

void goes_away_without_a_stop(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  {
    const auto source = under_test.make();
    must_start(*source, intake);
    under_test.send(numbered(0, 3));
    check_received(intake, numbered(0, 3));
  }
  CHECK(intake.unanswered() == 0);
}

void recovers_from_a_failed_start(const PushedSourceUnderTest& under_test) {
  fakes::FakeIntake intake;
  under_test.break_start();
  const auto source = under_test.make();
  const auto failed = source->start(intake);
  REQUIRE_FALSE(failed.has_value());
  CHECK_FALSE(failed.error().message.empty());
  source->stop();
  under_test.mend_start();
  must_start(*source, intake);
  under_test.send(numbered(0, 3));
  check_received(intake, numbered(0, 3));
  source->stop();
}

}  // namespace

void pushed_source_conformance(const PushedSourceUnderTest& under_test) {
  SUBCASE("every record comes once, in order, with its bytes") { brings_each_once(under_test); }
  SUBCASE("stop returns when everything pushed was answered") { stop_waits_for_answers(under_test); }
  SUBCASE("stop returns while the intake refuses") { stop_ends_while_refused(under_test); }
  SUBCASE("nothing comes once it is stopped") { brings_nothing_once_stopped(under_test); }
  SUBCASE("it starts again after a stop") { starts_again(under_test, false); }
  SUBCASE("a new instance starts where the last one was") { starts_again(under_test, true); }
  SUBCASE("stop without a start, or a second time, is harmless") { stop_is_harmless(under_test); }
  SUBCASE("it goes away without a stop") { goes_away_without_a_stop(under_test); }
  if (under_test.break_start && under_test.mend_start) {
    SUBCASE("a failed start may be followed by a good one") { recovers_from_a_failed_start(under_test); }
  }
}

}  // namespace penstock::conformance
