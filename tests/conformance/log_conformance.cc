#include "tests/conformance/log_conformance.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "tests/conformance/sample_records.h"

namespace penstock::conformance {
namespace {

using Events = std::vector<std::string>;
constexpr auto kBoth = {LogName::captured, LogName::events};
constexpr std::chrono::seconds kPatience{20};

Appended must_append(Log& log, LogName name, LogRecord record) {
  auto appended = append_and_wait(log, name, std::move(record));
  REQUIRE_MESSAGE(appended.has_value(), (appended ? "" : appended.error().message));
  return *appended;
}

std::unique_ptr<LogReader> must_read(Log& log, LogName name, const Offsets& start) {
  auto reader = log.read(name, start);
  REQUIRE_MESSAGE(reader.has_value(), (reader ? "" : reader.error().message));
  return *std::move(reader);
}

void an_empty_log_has_no_records(LogHarness& harness) {
  for (const LogName name : kBoth) {
    CHECK(harness.log().next_sequence(name) == 0);
    CHECK(harness.log().begin(name) == Offsets(kPartitions, 0));
    CHECK(harness.log().end(name) == Offsets(kPartitions, 0));
    CHECK(read_all(harness.log(), name).empty());
    CHECK(in_order(read_by_offset(harness.log(), name)).empty());
  }
  CHECK(harness.log().partitions() == kPartitions);
  CHECK_FALSE(harness.log().failure().has_value());
}

void what_is_read_equals_what_was_appended(LogHarness& harness) {
  LogRecord record = sample_record(1, 10, 3);
  record.dead = {sample_dead_letter("not json"), sample_dead_letter(std::string("\0\xF5\x50", 3))};
  record.state = {{"dedup", "a", "1", false, Timestamp{5}}, {"dedup", std::string("\0", 1), "", true, {}}};
  record.positions = {{"orders", "8:1234", "77"}, {"orders", "", ""}};
  record.chain_version = 9;
  const LogRecord expected{{}, record.dead, record.state, record.positions, 9};
  const Appended appended = must_append(harness.log(), LogName::events, std::move(record));
  CHECK(appended.sequence == 0);
  CHECK(appended.next == harness.log().end(LogName::events));
  if (harness.counts_exactly()) CHECK(appended.next == Offsets{0, 3, 0, 0});

  const auto records = read_all(harness.log(), LogName::events);
  REQUIRE(records.size() == 1);
  CHECK(records[0]->sequence == 0);
  CHECK(records[0]->dead == expected.dead);
  CHECK(records[0]->state == expected.state);
  CHECK(records[0]->positions == expected.positions);
  CHECK(records[0]->chain_version == 9);
  const auto events = read_by_offset(harness.log(), LogName::events);
  REQUIRE_FALSE(events.empty());
  CHECK(events.back()->next == appended.next);
  CHECK(events_of(events) == Events{R"(1@0 {"n":10})", R"(1@1 {"n":11})", R"(1@2 {"n":12})"});
}

void the_two_logs_are_apart(LogHarness& harness) {
  must_append(harness.log(), LogName::captured, sample_record(0, 1));
  must_append(harness.log(), LogName::events, sample_record(0, 2));
  CHECK(events_of(read_all(harness.log(), LogName::captured)) == Events{R"(0@0 {"n":1})"});
  CHECK(events_of(read_by_offset(harness.log(), LogName::events)) == Events{R"(0@0 {"n":2})"});
}

void one_record_spans_partitions(LogHarness& harness) {
  LogRecord record;
  for (const int partition : {3, 0, 3}) record.chunks.push_back(sample_chunk(partition, partition, 2));
  const auto appended = must_append(harness.log(), LogName::events, std::move(record));
  if (harness.counts_exactly()) CHECK(appended.next == Offsets{2, 0, 0, 4});
  CHECK(in_order(read_by_offset(harness.log(), LogName::events)) ==
        Events{R"(0 {"n":0})", R"(0 {"n":1})", R"(3 {"n":3})", R"(3 {"n":4})", R"(3 {"n":3})", R"(3 {"n":4})"});
}

void an_impossible_record_fails_alone(LogHarness& harness) {
  LogRecord nonsense;
  nonsense.chunks.emplace_back("this is no chunk");
  CHECK_FALSE(append_and_wait(harness.log(), LogName::events, std::move(nonsense)).has_value());
  CHECK_FALSE(append_and_wait(harness.log(), LogName::events, sample_record(kPartitions, 1)).has_value());
  CHECK(must_append(harness.log(), LogName::events, sample_record(0, 1)).sequence == 0);
  CHECK_FALSE(harness.log().failure().has_value());
}

void answers_come_in_the_order_of_the_sequence(LogHarness& harness) {
  constexpr std::uint64_t kCount = 200;
  std::vector<std::uint64_t> answered;  // by the log's thread only
  std::promise<void> all;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    harness.log().append(LogName::events, sample_record(0, static_cast<int>(i)), [&](Result<Appended> appended) {
      answered.push_back(appended ? appended->sequence : ~0ULL);
      if (answered.size() == kCount) all.set_value();
    });
  }
  REQUIRE(all.get_future().wait_for(kPatience) == std::future_status::ready);
  for (std::uint64_t i = 0; i < kCount; ++i) CHECK(answered[i] == i);
  CHECK(harness.log().pending_bytes() == 0);
}

void readers_see_only_what_is_durable(LogHarness& harness) {
  must_append(harness.log(), LogName::events, sample_record(0, 1));
  const auto reader = must_read(harness.log(), LogName::events, {});
  CHECK(in_order(read_to_end(*reader)).size() == 1);
  if (!harness.hold_back()) return;
  std::promise<Result<Appended>> answer;
  harness.log().append(LogName::events, sample_record(0, 2),
                       [&](Result<Appended> result) { answer.set_value(std::move(result)); });
  harness.wait_until_held();
  CHECK(read_to_end(*reader).empty());
  CHECK(harness.log().next_sequence(LogName::events) == 1);
  CHECK(harness.log().pending_bytes() > 0);
  harness.let_go();
  CHECK(answer.get_future().get().has_value());
  CHECK(events_of(read_to_end(*reader)) == Events{R"(0@1 {"n":2})"});
}

void numbers_continue_after_reopening(LogHarness& harness) {
  for (int i = 0; i < 20; ++i) must_append(harness.log(), LogName::events, sample_record(i % kPartitions, i));
  const auto before = in_order(read_by_offset(harness.log(), LogName::events));
  CHECK(before.size() == 20);
  harness.reopen();
  CHECK(in_order(read_by_offset(harness.log(), LogName::events)) == before);
  const Appended appended = must_append(harness.log(), LogName::events, sample_record(2, 20));
  CHECK(appended.sequence == 20);
  if (harness.counts_exactly()) CHECK(appended.next == Offsets{5, 5, 6, 5});
  CHECK(in_order(read_by_offset(harness.log(), LogName::events)).size() == 21);
}

void reading_starts_at_the_offsets_asked_for(LogHarness& harness) {
  for (int i = 0; i < 40; ++i) must_append(harness.log(), LogName::events, sample_record(i % 2, i));
  const auto offsets = offsets_by_partition(harness.log(), LogName::events);
  const Offsets &zero = offsets[0], &one = offsets[1];
  REQUIRE(zero.size() == 21);
  struct Case {
    Offsets start;
    std::size_t expected;  // events that must come
  };
  for (const Case& c :
       {Case{{}, 40}, Case{{zero[20], one[20]}, 0}, Case{{zero[20], one[15]}, 5}, Case{{zero[3], one[20], 0, 0}, 17}}) {
    const auto reader = must_read(harness.log(), LogName::events, c.start);
    std::size_t wanted = 0;
    for (const auto& record : read_to_end(*reader)) {
      for (const auto& chunk : record->chunks) {
        const auto partition = static_cast<std::size_t>(chunk->partition());
        const std::uint64_t start = partition < c.start.size() ? c.start[partition] : 0;
        for (std::uint32_t i = 0; i < chunk->size(); ++i) wanted += chunk->base_offset() + i >= start ? 1 : 0;
      }
    }
    CHECK(wanted == c.expected);
  }
  const auto at_end = must_read(harness.log(), LogName::events, harness.log().end(LogName::events));
  CHECK(in_order(read_to_end(*at_end)).empty());
  must_append(harness.log(), LogName::events, sample_record(0, 40));
  CHECK(in_order(read_to_end(*at_end)) == Events{R"(0 {"n":40})"});
  CHECK_FALSE(harness.log().read(LogName::events, Offsets(kPartitions + 1, 0)).has_value());
}

void reading_starts_at_the_record_asked_for(LogHarness& harness) {
  for (int i = 0; i < 30; ++i) must_append(harness.log(), LogName::events, sample_record(0, i));
  for (const std::uint64_t start : {0U, 1U, 17U, 29U, 30U}) {
    auto reader = harness.log().read_from_sequence(LogName::events, start);
    REQUIRE(reader.has_value());
    const auto records = read_to_end(**reader);
    REQUIRE(records.size() == 30 - start);
    if (!records.empty()) CHECK(records.front()->sequence == start);
  }
  CHECK_FALSE(harness.log().read_from_sequence(LogName::events, 31).has_value());
}

void a_share_of_the_partitions_comes_without_the_others(LogHarness& harness) {
  LogRecord record = sample_record(1, 10, 2);
  record.chunks.push_back(sample_chunk(0, 20, 1));
  record.chunks.push_back(sample_chunk(3, 30, 1));
  record.dead = {sample_dead_letter("not json")};
  must_append(harness.log(), LogName::captured, std::move(record));
  must_append(harness.log(), LogName::captured, sample_record(0, 21));
  must_append(harness.log(), LogName::captured, sample_record(3, 31));
  read_all(harness.log(), LogName::captured);  // whatever is kept of it in memory is not to be met here
  const Events expected[] = {{R"(0@0 {"n":20})", R"(0@1 {"n":21})"},
                             {R"(1@0 {"n":10})", R"(1@1 {"n":11})", R"(3@0 {"n":30})", R"(3@1 {"n":31})"}};
  for (const int index : {0, 1}) {
    auto reader = harness.log().read_share(LogName::captured, 0, {index, 2});
    REQUIRE(reader.has_value());
    const auto records = read_to_end(**reader);
    REQUIRE(records.size() == 3);
    CHECK(records[0]->dead.size() == 1);
    CHECK(records[2]->next == Offsets{2, 2, 0, 2});
    CHECK(events_of(records) == expected[index]);
  }
  CHECK(events_of(read_all(harness.log(), LogName::captured)).size() == 6);
}

void concurrent_appends_are_all_there_once(LogHarness& harness) {
  constexpr int kThreads = 4, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        harness.log().append(LogName::captured, sample_record(t, i), [](const Result<Appended>&) {});
      }
      append_and_wait(harness.log(), LogName::captured, sample_record(t, kEach)).value();
    });
  }
  for (auto& thread : threads) thread.join();
  std::map<int, Events> by_partition;
  for (auto& event : events_of(read_all(harness.log(), LogName::captured))) by_partition[event[0] - '0'].push_back(event);
  for (int t = 0; t < kThreads; ++t) {
    REQUIRE(by_partition[t].size() == kEach + 1);
    for (int i = 0; i <= kEach; ++i) {
      CHECK(by_partition[t][static_cast<std::size_t>(i)] == fmt::format(R"({}@{} {{"n":{}}})", t, i, i));
    }
  }
}

void several_readers_see_the_same(LogHarness& harness) {
  std::vector<std::unique_ptr<LogReader>> readers;
  for (int i = 0; i < 5; ++i) readers.push_back(must_read(harness.log(), LogName::events, {}));
  std::vector<Events> seen(readers.size());
  for (int i = 0; i < 30; ++i) {
    must_append(harness.log(), LogName::events, sample_record(0, i));
    for (std::size_t r = 0; r < readers.size(); ++r) {
      if (i % static_cast<int>(r + 1) != 0) continue;  // some lag behind
      for (auto& event : events_of(read_to_end(*readers[r]))) seen[r].push_back(event);
    }
  }
  for (std::size_t r = 0; r < readers.size(); ++r) {
    for (auto& event : events_of(read_to_end(*readers[r]))) seen[r].push_back(event);
    CHECK(seen[r] == events_of(read_by_offset(harness.log(), LogName::events)));
  }
}

void a_large_record_passes(LogHarness& harness) {
  // Digits of a generator: they do not compress away.
  std::mt19937_64 random(7);
  std::string text;
  while (text.size() < (3U << 20)) text += std::to_string(random());
  const std::string body = fmt::format(R"({{"text":"{}"}})", text);
  LogRecord record;
  record.chunks.push_back(sample_chunk_of(2, body));
  must_append(harness.log(), LogName::events, sample_record(0, 1));
  must_append(harness.log(), LogName::events, std::move(record));
  must_append(harness.log(), LogName::events, sample_record(0, 2));
  harness.reopen();
  const auto events = in_order(read_by_offset(harness.log(), LogName::events));
  REQUIRE(events.size() == 3);
  CHECK((events[2] == "2 " + body));
}

void waiting_ends_with_a_new_record(LogHarness& harness) {
  const auto reader = must_read(harness.log(), LogName::events, {});
  auto waiting = std::async(std::launch::async, [&]() -> Result<std::shared_ptr<const StoredRecord>> {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      auto record = reader->next();
      if (!record || *record || std::chrono::steady_clock::now() >= deadline) return record;
      reader->wait(deadline);
    }
  });
  must_append(harness.log(), LogName::events, sample_record(0, 1));
  const auto record = waiting.get();
  REQUIRE(record.has_value());
  CHECK(*record != nullptr);
  const auto start = std::chrono::steady_clock::now();
  reader->wait(start + std::chrono::milliseconds(10));
  CHECK(std::chrono::steady_clock::now() - start < kPatience);
}

void a_time_gives_the_offsets_from_then_on(LogHarness& harness) {
  for (int i = 0; i < 200; ++i) must_append(harness.log(), LogName::events, sample_record(i % kPartitions, i));
  harness.reopen();
  for (int i = 0; i < 50; ++i) must_append(harness.log(), LogName::events, sample_record(i % kPartitions, i));
  Log& log = harness.log();
  const auto records = read_by_offset(log, LogName::events);
  CHECK(log.offsets_at(LogName::events, Timestamp{0}).value() == log.begin(LogName::events));
  std::set<std::int64_t> times;
  for (const auto& record : records) {
    if (!record->chunks.empty()) times.insert(record->appended_at.ms);
  }
  times.insert(*times.rbegin() + 1);  // nothing is as young
  for (const std::int64_t time : times) {
    const Offsets from = log.offsets_at(LogName::events, Timestamp{time}).value();
    for (const auto& record : records) {
      for (const auto& chunk : record->chunks) {
        const std::uint64_t bound = from[static_cast<std::size_t>(chunk->partition())];
        CHECK((record->appended_at.ms >= time ? chunk->base_offset() >= bound
                                              : chunk->base_offset() + chunk->size() <= bound));
      }
    }
  }
}

void trimming_keeps_what_it_must(LogHarness& harness) {
  constexpr int kRecords = 400;
  for (int i = 0; i < kRecords; ++i) must_append(harness.log(), LogName::events, sample_record(i % kPartitions, i));
  Log& log = harness.log();
  const auto all = events_of(read_by_offset(log, LogName::events));
  const TrimLimits everything{.older_than = {}, .bytes_max = 0, .before_sequence = kRecords, .keep_from = {}};

  TrimLimits nothing = everything;
  nothing.before_sequence = 0;
  CHECK(log.trim(LogName::events, nothing).value().events == 0);
  const bool kept_by_sequence = log.trim(LogName::events, nothing).value().kept_by_sequence;
  nothing.keep_from = Offsets(kPartitions, 0);
  CHECK_FALSE(log.trim(LogName::events, nothing).value().kept_by_sequence);
  nothing = everything;
  nothing.keep_from = Offsets(kPartitions, 0);
  CHECK(log.trim(LogName::events, nothing).value().events == 0);
  CHECK(log.trim(LogName::events, {.older_than = {}, .before_sequence = kRecords, .keep_from = {}}).value().events == 0);
  CHECK_FALSE(log.trim(LogName::events, {.older_than = {}, .before_sequence = 0, .keep_from = {}}).value().kept_by_sequence);
  CHECK(in_order(read_by_offset(log, LogName::events)).size() == all.size());

  TrimLimits half = everything;
  half.before_sequence = kRecords / 2;
  const auto reader = must_read(log, LogName::events, {});
  const auto trimmed = log.trim(LogName::events, half);
  REQUIRE(trimmed.has_value());
  CHECK(trimmed->events <= kRecords / 2);
  const auto check_rest = [&](std::uint64_t gone) {
    const auto reading = log.read(LogName::events, log.begin(LogName::events));
    REQUIRE(reading.has_value());
    const auto rest = read_to_end(**reading);
    CHECK(in_order(rest).size() == all.size() - gone);
    std::uint64_t begin = 0;
    for (const auto offset : log.begin(LogName::events)) begin += offset;
    if (harness.counts_exactly()) {
      CHECK(events_of(rest) == Events(all.begin() + static_cast<std::ptrdiff_t>(gone), all.end()));
      CHECK(begin == gone);
    }
    CHECK(log.read_from_sequence(LogName::events, 0).has_value() == (gone == 0));
    CHECK(log.offsets_at(LogName::events, Timestamp{0}).value() == log.begin(LogName::events));
  };
  check_rest(trimmed->events);
  // Whoever was about to read what is gone is told so, or had it open already.
  const auto first = reader->next();
  if (!first) CHECK(first.error().kind == ErrorKind::not_found);

  const auto more = log.trim(LogName::events, everything);
  REQUIRE(more.has_value());
  check_rest(trimmed->events + more->events);
  CHECK(kept_by_sequence == (trimmed->events + more->events > 0));
  CHECK(log.next_sequence(LogName::events) == kRecords);
  CHECK(must_append(log, LogName::events, sample_record(0, kRecords)).sequence == kRecords);
}

void a_closed_log_refuses_and_is_still_read(LogHarness& harness) {
  must_append(harness.log(), LogName::events, sample_record(0, 1));
  harness.log().close();
  harness.log().close();
  const auto refused = append_and_wait(harness.log(), LogName::events, sample_record(0, 2));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::stopped);
  CHECK(harness.log().next_sequence(LogName::events) == 1);
}

}  // namespace

void log_conformance(const MakeLog& make) {
  const auto harness = make();
  SUBCASE("an empty log has no records") { an_empty_log_has_no_records(*harness); }
  SUBCASE("what is read equals what was appended") { what_is_read_equals_what_was_appended(*harness); }
  SUBCASE("the two logs are apart") { the_two_logs_are_apart(*harness); }
  SUBCASE("one record spans partitions") { one_record_spans_partitions(*harness); }
  SUBCASE("an impossible record fails alone") { an_impossible_record_fails_alone(*harness); }
  SUBCASE("answers come in the order of the sequence") { answers_come_in_the_order_of_the_sequence(*harness); }
  SUBCASE("readers see only what is durable") { readers_see_only_what_is_durable(*harness); }
  SUBCASE("numbers continue after reopening") { numbers_continue_after_reopening(*harness); }
  SUBCASE("reading starts at the offsets asked for") { reading_starts_at_the_offsets_asked_for(*harness); }
  SUBCASE("reading starts at the record asked for") { reading_starts_at_the_record_asked_for(*harness); }
  SUBCASE("a share of the partitions comes without the others") {
    a_share_of_the_partitions_comes_without_the_others(*harness);
  }
  SUBCASE("concurrent appends are all there once") { concurrent_appends_are_all_there_once(*harness); }
  SUBCASE("several readers see the same") { several_readers_see_the_same(*harness); }
  SUBCASE("a large record passes") { a_large_record_passes(*harness); }
  SUBCASE("waiting ends with a new record") { waiting_ends_with_a_new_record(*harness); }
  SUBCASE("a time gives the offsets from then on") { a_time_gives_the_offsets_from_then_on(*harness); }
  SUBCASE("trimming keeps what it must") { trimming_keeps_what_it_must(*harness); }
  SUBCASE("a closed log refuses and is still read") { a_closed_log_refuses_and_is_still_read(*harness); }
}

}  // namespace penstock::conformance
