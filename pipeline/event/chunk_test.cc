#include "pipeline/event/chunk.h"

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "pipeline/base/checksum.h"
#include "pipeline/event/chunk_format.h"

namespace penstock {
namespace {

constexpr std::int64_t kNoon = 1'785'585'600'000;

struct Sample {
  Facts facts() const { return {uuid, project, event, distinct_id, person_id, source, timestamp, received_at}; }
  friend bool operator==(const Sample&, const Sample&) = default;

  Uuid uuid;
  std::string project, event, distinct_id, person_id, source;
  Timestamp timestamp, received_at;
  std::string body;
};

Uuid random_uuid(std::mt19937& random) {
  Uuid uuid;
  for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random());
  return uuid;
}

// A second or two of a busy site: many visitors, a few events, clocks that are a little off.
std::vector<Sample> traffic(std::size_t count, std::uint32_t seed) {
  constexpr const char* kEvents[] = {"$pageview", "$autocapture", "$pageleave", "signed_up", "order_completed", "search"};
  std::mt19937 random(seed);
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) {
    Sample sample;
    sample.uuid = random_uuid(random);
    sample.project = "shop";
    sample.event = kEvents[random() % std::size(kEvents)];
    sample.distinct_id = fmt::format("user-{}", 1 + random() % 100'000);
    sample.source = "web";
    sample.received_at.ms = kNoon + static_cast<std::int64_t>(i);
    sample.timestamp.ms = sample.received_at.ms - 50 - static_cast<std::int64_t>(random() % 3000);
    sample.body = fmt::format(R"({{"event":"{}","distinct_id":"{}","properties":{{"pad":"{}"}}}})", sample.event,
                              sample.distinct_id, std::string(800 + random() % 60, 'p'));
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::string stored(const std::vector<Sample>& samples, int partition = 3, Compression compression = Compression::lz4) {
  ChunkBuilder builder(partition, compression);
  for (const auto& sample : samples) builder.add(sample.facts(), sample.body);
  std::string out;
  builder.finish(out);
  return out;
}

std::vector<Sample> samples_of(const Chunk& chunk) {
  std::vector<Sample> samples;
  for (std::uint32_t i = 0; i < chunk.size(); ++i) {
    const Facts& f = chunk.facts(i);
    samples.push_back({f.uuid, std::string(f.project), std::string(f.event), std::string(f.distinct_id),
                       std::string(f.person_id), std::string(f.source), f.timestamp, f.received_at,
                       std::string(chunk.body(i).value())});
  }
  return samples;
}

void check_round_trip(const std::vector<Sample>& samples) {
  for (const auto compression : {Compression::lz4, Compression::zstd, Compression::none}) {
    const auto chunk = Chunk::open(stored(samples, 3, compression));
    REQUIRE(chunk);
    CHECK((samples_of(**chunk) == samples));
  }
  ChunkGatherer gatherer;
  for (int again = 0; again < 2; ++again) {
    for (const auto& sample : samples) gatherer.add(sample.facts(), sample.body);
    const auto chunk = gatherer.finish(3, 17);
    CHECK((samples_of(*chunk) == samples));
    CHECK(chunk->partition() == 3);
    CHECK(chunk->base_offset() == 17);
    std::set<std::string_view> names;
    for (const auto& sample : samples) names.insert(sample.event);
    CHECK(std::set<std::string_view>(chunk->names().begin(), chunk->names().end()) == names);
  }
}

}  // namespace

TEST_CASE("events come back from a chunk as they went in") {
  check_round_trip(traffic(1, 1));
  check_round_trip(traffic(1000, 2));
}

TEST_CASE("facts of every kind come back") {
  auto samples = traffic(8, 3);
  samples[0].distinct_id = "";
  samples[1].distinct_id = "019a8c3e-0000-7abc-8def-0123456789ab";
  samples[2].distinct_id = "019A8C3E-0000-7abc-8def-0123456789ab";
  samples[3].distinct_id = std::string(5000, 'x');
  samples[4].distinct_id = std::string(5000, 'x') + "y";
  samples[5].distinct_id = samples[1].distinct_id;
  samples[1].received_at.ms = INT64_MAX;
  samples[2].received_at.ms = INT64_MIN;
  samples[3].timestamp.ms = INT64_MAX;
  samples[4].timestamp.ms = INT64_MIN;
  samples[5].project = "";
  samples[6].source = "orders";
  samples[7].event = "";
  samples[7].body = "";
  check_round_trip(samples);
  samples[3].person_id = "person-1";
  samples[6].person_id = "019a8c3e-0000-7abc-8def-0123456789ab";
  check_round_trip(samples);
}

TEST_CASE("a builder starts anew after each chunk and leaves nothing behind") {
  const auto first = traffic(100, 4);
  const auto second = traffic(50, 5);
  ChunkBuilder builder(3);
  for (const auto* samples : {&first, &second, &first}) {
    for (const auto& sample : *samples) builder.add(sample.facts(), sample.body);
    CHECK_EQ(builder.size(), samples->size());
    CHECK_GT(builder.bytes(), samples->size() * 800);
    std::string out;
    builder.finish(out);
    CHECK((out == stored(*samples)));
    CHECK_EQ(builder.size(), 0);
    CHECK_EQ(builder.bytes(), 0);
  }
}

TEST_CASE("the log writes the offset in, and the label tells what is needed to keep a chunk") {
  auto bytes = stored(traffic(7, 6), 11);
  set_base_offset(bytes, 123'456);
  const auto label = chunk_label(bytes);
  REQUIRE(label);
  CHECK_EQ(label->partition, 11);
  CHECK_EQ(label->events, 7);
  CHECK_EQ(label->base_offset, 123'456);
  const auto chunk = Chunk::open(bytes);
  REQUIRE(chunk);
  CHECK_EQ((*chunk)->base_offset(), 123'456);
  CHECK_EQ((*chunk)->partition(), 11);
}

TEST_CASE("names and facts need no bodies, and memory counts what is unpacked") {
  const auto samples = traffic(500, 7);
  const auto chunk = Chunk::open(stored(samples)).value();
  CHECK_EQ(chunk->names().size(), 6);
  CHECK_EQ(chunk->facts(499).distinct_id, samples[499].distinct_id);
  const auto packed = chunk->memory();
  CHECK_EQ(chunk->body(0).value(), samples[0].body);
  CHECK_GT(chunk->memory(), packed + 400'000);
}

TEST_CASE("several threads may ask for the first body at once") {
  const auto samples = traffic(200, 8);
  const auto chunk = Chunk::open(stored(samples)).value();
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { right += chunk->body(i).value() == samples[i].body; });
  }
  threads.clear();
  CHECK_EQ(right, 4);
}

TEST_CASE("facts take at most thirty bytes an event on disk") {
  auto samples = traffic(600, 9);
  const auto bytes_per_event = [&] {
    const auto header = read_chunk_header(stored(samples)).value();
    return static_cast<double>(kChunkHeaderBytes + header.names_bytes + header.facts_stored_bytes) / 600;
  };
  MESSAGE(bytes_per_event() << " bytes an event, header and names included");
  CHECK_LE(bytes_per_event(), 30);
  // Visitors known by a uuid, each of whom sends a few events.
  std::mt19937 random(9);
  std::vector<std::string> visitors;
  for (int i = 0; i < 120; ++i) visitors.push_back(random_uuid(random).to_string());
  for (auto& sample : samples) sample.distinct_id = visitors[random() % visitors.size()];
  MESSAGE(bytes_per_event() << " bytes an event with uuids as distinct ids");
  CHECK_LE(bytes_per_event(), 30);
}

TEST_CASE("a chunk that is cut, longer, or changed in any byte is an error") {
  const auto whole = stored(traffic(5, 10));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) CHECK_FALSE(Chunk::open(whole.substr(0, cut)));
  CHECK_FALSE(Chunk::open(whole + "x"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned change : {0x01U, 0x80U, 0xFFU}) {
      auto changed = whole;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ change);
      const auto opened = Chunk::open(changed);
      REQUIRE_FALSE(opened);
      CHECK_EQ(opened.error().kind, ErrorKind::corrupt);
      CHECK_EQ(chunk_label(changed).has_value(), at >= 80);
    }
  }
}

TEST_CASE("Zstandard makes a chunk smaller than LZ4 does, and is checked the same") {
  const auto samples = traffic(200, 12);
  CHECK_LT(stored(samples, 3, Compression::zstd).size(), stored(samples).size());
  for (const auto compression : {Compression::zstd, Compression::none}) {
    const auto whole = stored(samples, 3, compression);
    for (std::size_t at = 0; at < whole.size(); at += 7) {
      auto changed = whole;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ 0x10U);
      CHECK_FALSE(Chunk::open(changed));
    }
  }
}

TEST_CASE("a newer version says that it is newer") {
  auto bytes = stored(traffic(1, 11));
  bytes[4] = 2;
  CHECK_EQ(Chunk::open(bytes).error().message,
           "chunk: version 2, but this program reads only up to 1; a newer program wrote it");
}

TEST_CASE("names chosen to collide cost space and nothing else") {
  std::vector<std::string> names;
  for (int i = 0; names.size() < 200; ++i) {
    auto name = fmt::format("event {}", i);
    if ((checksum(name) & 0x1FF) == 7) names.push_back(std::move(name));
  }
  std::vector<Sample> samples = traffic(600, 12);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].event = names[i % names.size()];
  const auto chunk = Chunk::open(stored(samples)).value();
  CHECK_GE(chunk->names().size(), 200);
  CHECK((samples_of(*chunk) == samples));
}

}  // namespace penstock
