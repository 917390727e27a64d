// Dead letters of ingest that go through `captured` once more.
#include <map>

#include "pipeline/ingest/testing.h"

namespace penstock::ingest {
namespace {

using testing::Bench;
using testing::ByName;
using testing::line;
using testing::push;
using testing::run_until_idle;

// The app, mended.
class Passing final : public Transform {
 public:
  void begin_batch(Timestamp, StateView*) override {}
  void run(const json::ObjectIndex& body, const Facts& facts, bool, Transformed& out) override {
    out.kind = Transformed::Kind::kept;
    out.events.assign(1, {facts, body.text()});
  }
  std::uint64_t version() const override { return 2; }
};

struct Again : Bench {
  CapturedIntake intake{{.name = "web", .project = "shop", .paths = {}}, log, clock, {}, 1 << 20};

  // As derived state keeps them: the last one of an id.
  std::vector<DeadLetter> letters() const {
    std::map<std::string, DeadLetter> by_id;
    for (const auto& letter : dead) by_id.insert_or_assign(dead_letter_id(letter), letter);
    std::vector<DeadLetter> all;
    for (const auto& [id, letter] : by_id) all.push_back(letter);
    return all;
  }
  std::vector<PartitionShare> kept_by;  // of the letters that are sent
  // All that there are, as a command finds them.
  void send_all() {
    const auto found = letters();
    std::vector<KeptLetter> pointers;
    for (const auto& letter : found) pointers.push_back({&letter, kept_by});
    bool durable = false;
    intake.push_again(pointers, [&](const Result<void>& pushed) { durable = pushed.has_value(); });
    REQUIRE(durable);
  }
  std::vector<Facts> events() const {
    std::vector<Facts> all;
    for (const auto& record : log.records(LogName::events))
      for (const auto& chunk : record->chunks)
        for (std::uint32_t i = 0; i < chunk->size(); ++i) all.push_back(chunk->facts(i));
    return all;
  }
};

}  // namespace

TEST_CASE("a letter that is sent again and fails again is the same letter, with one attempt more") {
  Again bench;
  const auto worker = bench.worker(false);
  REQUIRE(push(bench.intake, {line("fail", 1), "{broken", line("fail", 2)}));
  run_until_idle(*worker);
  const auto before = bench.letters();
  REQUIRE_EQ(before.size(), 3);
  for (std::uint32_t attempts = 2; attempts < 5; ++attempts) {
    bench.clock.advance(Duration(60'000));
    bench.send_all();
    REQUIRE(worker->step());
    run_until_idle(*worker);
    const auto after = bench.letters();
    REQUIRE_EQ(after.size(), 3);
    for (const auto& letter : after) {
      const auto same = std::ranges::find(before, letter.uuid, &DeadLetter::uuid);
      REQUIRE(same != before.end());
      CHECK_EQ(dead_letter_id(letter), dead_letter_id(*same));
      CHECK_EQ(letter.code, same->code);
      CHECK_EQ(letter.body, same->body);
      CHECK_EQ(letter.received_at, same->received_at);
      CHECK_EQ(letter.first_at, same->first_at);
      CHECK_EQ(letter.last_at, bench.clock.now());
      CHECK_EQ(letter.attempts, attempts);
    }
  }
  CHECK(bench.bodies().empty());
}

TEST_CASE("an event that was a dead letter keeps its uuid and its times") {
  Again bench;
  const auto worker = bench.worker(false);
  const Timestamp received = bench.clock.now();
  REQUIRE(push(bench.intake, {line("fail", 1)}));
  run_until_idle(*worker);
  REQUIRE_EQ(bench.dead.size(), 1);
  const Uuid uuid = bench.dead.front().uuid;
  bench.clock.advance(Duration(3'600'000));
  worker->set_chain(std::make_unique<Passing>());
  bench.send_all();
  REQUIRE(worker->step());
  run_until_idle(*worker);
  CHECK(bench.dead.empty());
  CHECK_EQ(bench.bodies(), std::vector{line("fail", 1)});
  const auto events = bench.events();
  REQUIRE_EQ(events.size(), 1);
  CHECK_EQ(events[0].uuid, uuid);
  CHECK_EQ(events[0].received_at, received);
  CHECK_EQ(events[0].timestamp, received);
}

TEST_CASE("letters that were pushed, and by a kill are there to be pushed once more, become one event each") {
  Again bench;
  auto worker = bench.worker(false);
  const std::string with_uuid = R"({"event":"fail","uuid":"11111111-2222-4333-8444-555555555555"})";
  REQUIRE(push(bench.intake, {line("fail", 1), line("fail", 2), with_uuid}));
  run_until_idle(*worker);
  REQUIRE_EQ(bench.dead.size(), 3);
  bench.send_all();  // nobody has read it when the process is killed
  worker = bench.worker(false);
  CHECK_EQ(bench.dead.size(), 3);
  bench.send_all();
  worker->set_chain(std::make_unique<Passing>());
  run_until_idle(*worker);
  CHECK(bench.dead.empty());
  CHECK_EQ(bench.bodies().size(), 3);
  bench.clock.advance(Duration(1));
  worker = bench.worker(false);
  run_until_idle(*worker);
  CHECK_EQ(bench.bodies().size(), 3);
}

TEST_CASE("a letter is there until the commit that reads it again is durable") {
  Again bench;
  const auto worker = bench.worker(false);
  REQUIRE(push(bench.intake, {line("fail", 1)}));
  run_until_idle(*worker);
  worker->set_chain(std::make_unique<Passing>());
  bench.send_all();
  bench.log.refuse_next_append(Error{ErrorKind::unavailable, "the disk is full"});
  for (int i = 0; i < 3; ++i) REQUIRE(worker->step());
  CHECK_EQ(bench.dead.size() + bench.bodies().size(), 1);
  run_until_idle(*worker);
  CHECK(bench.dead.empty());
  CHECK_EQ(bench.bodies().size(), 1);
}

TEST_CASE("a letter that another share has is taken out there, and sent where its event belongs") {
  constexpr int kShares = 2;
  Again bench;
  {
    const auto worker = bench.worker(false);
    REQUIRE(push(bench.intake, {line("fail", 1), "{broken"}));
    run_until_idle(*worker);
  }
  REQUIRE_EQ(bench.dead.size(), 2);
  bench.kept_by = {{0, kShares}, {1, kShares}};  // wherever the event belongs, one of them is another
  bench.send_all();
  const auto marks = [](const std::vector<DeadLetter>& of) { return std::ranges::count_if(of, is_taken_out); };
  const auto record = bench.log.records(LogName::captured).back();
  CHECK_EQ(marks(record->dead), 2);
  for (const auto& mark : record->dead) {
    if (!is_taken_out(mark)) continue;
    const auto goes = std::ranges::find_if(record->dead, [&](const auto& letter) {
      return !is_taken_out(letter) && dead_letter_id(letter) == dead_letter_id(mark);
    });
    REQUIRE(goes != record->dead.end());
    CHECK_NE(goes->partition % kShares, mark.partition);
  }
}

TEST_CASE("a letter that is taken out is gone when ingest has read that, and makes no event") {
  Again bench;
  const auto worker = bench.worker(false);
  REQUIRE(push(bench.intake, {line("fail", 1), line("fail", 2)}));
  run_until_idle(*worker);
  const auto letters = bench.letters();
  REQUIRE_EQ(letters.size(), 2);
  bool durable = false;
  bench.intake.take_out({{&letters[0], {{0, 1}}}}, [&](const Result<void>& pushed) { durable = pushed.has_value(); });
  REQUIRE(durable);
  CHECK_EQ(bench.dead.size(), 2);
  REQUIRE(worker->step());
  run_until_idle(*worker);
  REQUIRE_EQ(bench.dead.size(), 1);
  CHECK_EQ(dead_letter_id(bench.dead.front()), dead_letter_id(letters[1]));
  CHECK(bench.bodies().empty());
}

}  // namespace penstock::ingest
