#include "tests/conformance/sample_records.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <iterator>
#include <map>

namespace penstock::conformance {
namespace {

Facts sample_facts(int number) {
  return Facts{.uuid = Uuid::v5(Uuid{}, fmt::format("sample {}", number)),
               .project = "shop",
               .event = number % 2 == 0 ? "signup" : "order",
               .distinct_id = "user",
               .person_id = {},
               .source = "web",
               .timestamp = Timestamp{1'760'000'000'000 + number},
               .received_at = Timestamp{1'760'000'000'500 + number}};
}

}  // namespace

std::string sample_chunk(int partition, int first, int count) {
  ChunkBuilder builder(partition);
  for (int number = first; number < first + count; ++number) {
    builder.add(sample_facts(number), fmt::format(R"({{"n":{}}})", number));
  }
  std::string stored;
  builder.finish(stored);
  return stored;
}

std::string sample_chunk_of(int partition, std::string_view body) {
  ChunkBuilder builder(partition);
  builder.add(sample_facts(0), body);
  std::string stored;
  builder.finish(stored);
  return stored;
}

LogRecord sample_record(int partition, int first, int count) {
  LogRecord record;
  record.chunks.push_back(sample_chunk(partition, first, count));
  return record;
}

DeadLetter sample_dead_letter(std::string_view body) {
  DeadLetter letter;
  letter.uuid = Uuid::v5(Uuid{}, body);
  letter.stage = "ingest";
  letter.code = "invalid_json";
  letter.reason = "invalid JSON at byte 1: a value is expected";
  letter.source = "web";
  letter.received_at = letter.first_at = letter.last_at = Timestamp{1'760'000'000'000};
  letter.body = body;
  return letter;
}

Result<Appended> append_and_wait(Log& log, LogName name, LogRecord record) {
  std::promise<Result<Appended>> promise;
  auto answer = promise.get_future();
  log.append(name, std::move(record), [&promise](Result<Appended> result) { promise.set_value(std::move(result)); });
  return answer.get();
}

std::vector<std::shared_ptr<const StoredRecord>> read_to_end(LogReader& reader) {
  std::vector<std::shared_ptr<const StoredRecord>> records;
  for (;;) {
    auto record = reader.next();
    REQUIRE_MESSAGE(record.has_value(), (record ? "" : record.error().message));
    if (!*record) return records;
    records.push_back(*std::move(record));
  }
}

std::vector<std::shared_ptr<const StoredRecord>> read_all(Log& log, LogName name) {
  auto reader = log.read_from_sequence(name, 0);
  REQUIRE_MESSAGE(reader.has_value(), (reader ? "" : reader.error().message));
  return read_to_end(**reader);
}

std::vector<std::shared_ptr<const StoredRecord>> read_by_offset(Log& log, LogName name) {
  auto reader = log.read(name, log.begin(name));
  REQUIRE_MESSAGE(reader.has_value(), (reader ? "" : reader.error().message));
  return read_to_end(**reader);
}

std::vector<Offsets> offsets_by_partition(Log& log, LogName name) {
  std::vector<Offsets> offsets(static_cast<std::size_t>(log.partitions()));
  for (const auto& record : read_by_offset(log, name))
    for (const auto& chunk : record->chunks)
      for (std::uint32_t i = 0; i < chunk->size(); ++i)
        offsets[static_cast<std::size_t>(chunk->partition())].push_back(chunk->base_offset() + i);
  for (std::size_t p = 0; p < offsets.size(); ++p) offsets[p].push_back(log.end(name)[p]);
  return offsets;
}

std::vector<std::string> in_order(const std::vector<std::shared_ptr<const StoredRecord>>& records) {
  std::map<int, std::vector<std::string>> bodies;
  std::map<int, std::uint64_t> next;
  for (const auto& record : records) {
    for (const auto& chunk : record->chunks) {
      CHECK(chunk->base_offset() >= next[chunk->partition()]);
      next[chunk->partition()] = chunk->base_offset() + chunk->size();
      for (std::uint32_t i = 0; i < chunk->size(); ++i)
        bodies[chunk->partition()].push_back(fmt::format("{} {}", chunk->partition(), chunk->body(i).value()));
    }
  }
  std::vector<std::string> all;
  for (auto& [partition, texts] : bodies) std::ranges::move(texts, std::back_inserter(all));
  return all;
}

std::vector<std::string> events_of(const std::vector<std::shared_ptr<const StoredRecord>>& records) {
  std::vector<std::string> events;
  for (const auto& record : records) {
    for (const auto& chunk : record->chunks) {
      for (std::uint32_t i = 0; i < chunk->size(); ++i) {
        const auto body = chunk->body(i);
        REQUIRE(body.has_value());
        events.push_back(fmt::format("{}@{} {}", chunk->partition(), chunk->base_offset() + i, *body));
      }
    }
  }
  return events;
}

}  // namespace penstock::conformance
