#include "tests/conformance/destination_conformance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "pipeline/base/uuid.h"

namespace penstock::conformance {
namespace {

using namespace std::chrono_literals;

using Bodies = std::vector<std::string>;

// The answers to the batches of one case, by the number each batch was given.
class Answers {
 public:
  Completion expect() {
    const std::lock_guard lock(mutex_);
    const std::size_t number = calls_.size();
    calls_.push_back(0);
    outcomes_.emplace_back();
    return [this, number](Outcomes outcomes) {
      const std::lock_guard inner(mutex_);
      ++calls_[number];
      outcomes_[number] = std::move(outcomes);
      changed_.notify_all();
    };
  }

  bool wait_for_all() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return std::ranges::all_of(calls_, [](int n) { return n > 0; }); });
  }

  bool each_came_once() const {
    const std::lock_guard lock(mutex_);
    return std::ranges::all_of(calls_, [](int n) { return n == 1; });
  }

  // By number; the outcome of each event of a batch of `events`.
  std::vector<Outcome> of(std::size_t number, std::size_t events) const {
    const std::lock_guard lock(mutex_);
    const auto& each = outcomes_.at(number).each;
    return each.size() == 1 ? std::vector<Outcome>(events, each.front()) : each;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // with mutex_
  std::vector<int> calls_;           // guarded by mutex_
  std::vector<Outcomes> outcomes_;   // guarded by mutex_
};

// Nobody but the batch keeps the memory its views point into: a destination that looks at it after letting the batch go is
// found by AddressSanitizer.
Batch batch_of(const Bodies& bodies) {
  auto texts = std::make_shared<const Bodies>(bodies);
  Batch batch;
  for (const auto& body : *texts) {
    Facts facts;
    facts.uuid = Uuid::v5({}, body);
    facts.project = "shop";
    facts.event = "signup";
    facts.distinct_id = "u1";
    facts.source = "web";
    facts.timestamp = facts.received_at = Timestamp{1'760'000'000'000};
    batch.events.push_back({facts, body});
    batch.bytes += body.size();
  }
  batch.keeps.push_back(std::move(texts));
  return batch;
}

Bodies numbered(int from, int count) {
  Bodies bodies;
  for (int i = from; i < from + count; ++i) {
    bodies.push_back(R"({"event":"signup","distinct_id":"u1","properties":{"n":)" + std::to_string(i) + "}}");
  }
  return bodies;
}

Bodies sorted(Bodies bodies) {
  std::ranges::sort(bodies);
  return bodies;
}

void check_arrived(const DestinationUnderTest& under_test, const Bodies& bodies) {
  if (under_test.received) CHECK(under_test.received() == bodies);
}

// A connected destination and what it answered. Closes it when the case did not.
struct Session {
  explicit Session(const DestinationUnderTest& under_test) : destination(under_test.make()) {
    REQUIRE(destination != nullptr);
    const auto connected = destination->connect({});
    REQUIRE_MESSAGE(connected.has_value(), (connected ? "" : connected.error().message));
  }
  ~Session() {
    if (!closed) destination->close();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void submit(const Bodies& bodies) { destination->submit(batch_of(bodies), answers.expect()); }
  void deliver(const Bodies& bodies) {
    submit(bodies);
    REQUIRE(answers.wait_for_all());
  }
  void close() {
    destination->close();
    closed = true;
  }

  Answers answers;
  std::unique_ptr<Destination> destination;
  bool closed = false;
};

void keeps_order(const DestinationUnderTest& under_test) {
  Session session(under_test);
  Bodies all;
  for (int i = 0; i < 5; ++i) {
    const auto bodies = numbered(i * 20, 20);
    session.deliver(bodies);
    all.insert(all.end(), bodies.begin(), bodies.end());
    for (const auto& outcome : session.answers.of(static_cast<std::size_t>(i), bodies.size())) {
      CHECK_MESSAGE(outcome.kind == Outcome::Kind::delivered, outcome.reason);
    }
  }
  session.close();
  CHECK(session.answers.each_came_once());
  check_arrived(under_test, all);
}

void keeps_bytes(const DestinationUnderTest& under_test) {
  const Bodies odd = {
      R"({"event":"e","z":1.0,"a":18446744073709551617,"b":1e400,"list":[],"map":{},"none":null})",
      R"({ "event" : "spaces" ,  "properties" : { "x" : [ 1 , 2 ] } })",
      R"({"event":"escapes","text":"a\"b\\c\n\u00e9\/ \ud83d\ude00"})",
      "{\"event\":\"utf8\",\"text\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
      R"({"event":"long","text":")" + std::string(200'000, 'x') + R"("})",
      R"({"event":"repeated","a":1,"a":2})",
  };
  Session session(under_test);
  session.deliver(odd);
  session.close();
  check_arrived(under_test, odd);
}

void takes_several_at_once(const DestinationUnderTest& under_test) {
  Session session(under_test);
  Bodies all;
  std::chrono::steady_clock::duration slowest{};
  for (int i = 0; i < 8; ++i) {
    const auto bodies = numbered(i * 50, 50);
    const auto started = std::chrono::steady_clock::now();
    session.submit(bodies);
    slowest = std::max(slowest, std::chrono::steady_clock::now() - started);
    all.insert(all.end(), bodies.begin(), bodies.end());
  }
  CHECK(session.answers.wait_for_all());
  session.close();
  CHECK(session.answers.each_came_once());
  CHECK_MESSAGE(slowest < 500ms, "submit waited");
  if (under_test.received) CHECK(sorted(under_test.received()) == sorted(all));
}

void answers_everything_at_close(const DestinationUnderTest& under_test) {
  Session session(under_test);
  const int batches = 8;
  for (int i = 0; i < batches; ++i) session.submit(numbered(i * 50, 50));
  session.close();
  REQUIRE(session.answers.each_came_once());
  Bodies promised;
  for (int i = 0; i < batches; ++i) {
    const auto bodies = numbered(i * 50, 50);
    const auto outcomes = session.answers.of(static_cast<std::size_t>(i), bodies.size());
    REQUIRE(outcomes.size() == bodies.size());
    for (std::size_t k = 0; k < bodies.size(); ++k) {
      if (outcomes[k].kind == Outcome::Kind::delivered) promised.push_back(bodies[k]);
      CHECK_MESSAGE(outcomes[k].kind != Outcome::Kind::rejected, "closing is nobody's fault");
    }
  }
  if (!under_test.received) return;
  const auto arrived = sorted(under_test.received());
  CHECK(std::ranges::includes(arrived, sorted(promised)));
}

void connects_again(const DestinationUnderTest& under_test) {
  Session session(under_test);
  session.deliver(numbered(0, 10));
  const auto again = session.destination->connect({});
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().message));
  session.deliver(numbered(10, 10));
  session.close();
  check_arrived(under_test, numbered(0, 20));
}

void goes_on_in_a_new_instance(const DestinationUnderTest& under_test) {
  for (int i = 0; i < 2; ++i) {
    Session session(under_test);
    session.deliver(numbered(i * 10, 10));
  }
  check_arrived(under_test, numbered(0, 20));
}

void recovers_from_a_failed_connect(const DestinationUnderTest& under_test) {
  under_test.break_connect();
  Answers answers;
  auto destination = under_test.make();
  const auto failed = destination->connect({});
  REQUIRE_FALSE(failed.has_value());
  CHECK_FALSE(failed.error().message.empty());
  under_test.mend_connect();
  const auto mended = destination->connect({});
  REQUIRE_MESSAGE(mended.has_value(), (mended ? "" : mended.error().message));
  destination->submit(batch_of(numbered(0, 3)), answers.expect());
  CHECK(answers.wait_for_all());
  destination->close();
  CHECK(answers.each_came_once());
  check_arrived(under_test, numbered(0, 3));
}

void closes_while_refused(const DestinationUnderTest& under_test) {
  Session session(under_test);
  session.deliver(numbered(0, 10));
  under_test.break_writes();
  session.submit(numbered(10, 10));
  REQUIRE(session.answers.wait_for_all());
  session.submit(numbered(20, 10));
  session.close();
  REQUIRE(session.answers.each_came_once());
  for (const std::size_t batch : {1, 2}) {
    for (const auto& outcome : session.answers.of(batch, 10)) {
      CHECK(outcome.kind != Outcome::Kind::delivered);
      CHECK_MESSAGE(outcome.kind != Outcome::Kind::rejected, "the events are not to blame");
      CHECK_FALSE(outcome.code.empty());
      CHECK_FALSE(outcome.reason.empty());
    }
  }
  check_arrived(under_test, numbered(0, 10));
  under_test.mend_writes();
  Session mended(under_test);
  mended.deliver(numbered(10, 20));
  mended.close();
  check_arrived(under_test, numbered(0, 30));
}

void goes_on_once_it_is_taken_again(const DestinationUnderTest& under_test) {
  Session session(under_test);
  under_test.break_writes();
  session.deliver(numbered(0, 10));
  under_test.mend_writes();
  const auto again = session.destination->connect({});
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().message));
  session.deliver(numbered(0, 10));
  session.close();
  check_arrived(under_test, numbered(0, 10));
}

void connects_when_told_to_stop(const DestinationUnderTest& under_test) {
  std::stop_source stop;
  stop.request_stop();
  const auto destination = under_test.make();
  [[maybe_unused]] const auto either = destination->connect(stop.get_token());
  destination->close();
  check_arrived(under_test, {});
}

}  // namespace

void destination_conformance(const DestinationUnderTest& under_test) {
  SUBCASE("each event arrives once and in order") { keeps_order(under_test); }
  SUBCASE("bodies keep their bytes") { keeps_bytes(under_test); }
  SUBCASE("several batches may be in flight, and submit never waits") { takes_several_at_once(under_test); }
  SUBCASE("close answers everything, and what it calls delivered has arrived") { answers_everything_at_close(under_test); }
  SUBCASE("connect may be called again") { connects_again(under_test); }
  SUBCASE("a new instance goes on where the last one closed") { goes_on_in_a_new_instance(under_test); }
  SUBCASE("close without a write or a connect is fine") {
    under_test.make()->close();
    Session session(under_test);
    session.close();
    check_arrived(under_test, {});
  }
  if (under_test.break_connect && under_test.mend_connect) {
    SUBCASE("a failed connect may be followed by a good one") { recovers_from_a_failed_connect(under_test); }
  }
  SUBCASE("a connect that is told to stop returns") { connects_when_told_to_stop(under_test); }
  if (under_test.break_writes && under_test.mend_writes) {
    SUBCASE("what is not taken is nobody's fault, also while it closes") { closes_while_refused(under_test); }
    SUBCASE("after a connect it goes on where it was not taken") { goes_on_once_it_is_taken_again(under_test); }
  }
}

}  // namespace penstock::conformance
