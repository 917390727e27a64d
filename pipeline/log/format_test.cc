// The bytes themselves: a log written today is read by every later program.

#include <doctest/doctest.h>

#include <cstring>

#include "pipeline/base/checksum.h"
#include "pipeline/log/record_format.h"
#include "pipeline/log/segment_format.h"

namespace penstock::log_format {
namespace {

std::string stored_chunk(int partition, int events) {
  ChunkBuilder builder(partition);
  Facts facts;
  facts.event = "e";
  for (int i = 0; i < events; ++i) builder.add(facts, R"({"event":"e"})");
  std::string stored;
  builder.finish(stored);
  return stored;
}

std::string one_record(Offsets& next) {
  LogRecord record;
  record.chunks = {stored_chunk(1, 3), stored_chunk(0, 1)};
  record.positions = {{"orders", "8:1", "99"}};
  record.chain_version = 4;
  auto prepared = prepare(std::move(record), 2);
  REQUIRE(prepared.has_value());
  std::string out;
  append_record(*prepared, {7, Timestamp{1234}, 640}, next, out);
  CHECK(out.size() <= prepared->bytes);
  return out;
}

template <class T>
T at(std::string_view bytes, std::size_t position) {
  T value;
  std::memcpy(&value, bytes.data() + position, sizeof value);
  return value;
}

TEST_CASE("a record lies in its bytes as record_format.h says") {
  Offsets next{10, 20};
  const std::string record = one_record(next);
  CHECK(next == Offsets{11, 23});
  CHECK(at<std::uint64_t>(record, 0) == checksum(std::string_view(record).substr(8)));
  CHECK(record.substr(8, 4) == "\xF5\x50\xC0\x52");
  CHECK(record.substr(12, 4) == std::string("\x01\0\0\0", 4));
  CHECK(at<std::uint64_t>(record, 16) == 7);
  CHECK(at<std::int64_t>(record, 24) == 1234);
  CHECK(at<std::uint64_t>(record, 32) == 640);
  CHECK(at<std::uint32_t>(record, 40) == record.size() - 48);
  CHECK(at<std::uint32_t>(record, 44) == static_cast<std::uint32_t>(checksum(std::string_view(record).substr(8, 36))));
  CHECK(record.substr(48, 5) ==
        std::string("\x04\x02\x01\x03\x14"));  // chain 4, two chunks, partition 1, 3 events, offset 20
}

TEST_CASE("a record read back is the one that was written") {
  Offsets next{10, 20};
  const std::string bytes = one_record(next);
  Offsets from{10, 20};
  const auto record = decode_record(bytes, from);
  REQUIRE(record.has_value());
  CHECK(from == next);
  CHECK((*record)->sequence == 7);
  CHECK((*record)->appended_at == Timestamp{1234});
  CHECK((*record)->chain_version == 4);
  CHECK((*record)->positions == std::vector<SourcePosition>{{"orders", "8:1", "99"}});
  REQUIRE((*record)->chunks.size() == 2);
  CHECK((*record)->chunks[0]->base_offset() == 20);
  CHECK((*record)->chunks[1]->base_offset() == 10);
  Offsets skipped{10, 20};
  CHECK(skip_record(bytes, skipped).has_value());
  CHECK(skipped == next);
}

TEST_CASE("a record that does not continue the offsets is damage, and moves nothing") {
  Offsets next{10, 20};
  const std::string bytes = one_record(next);
  Offsets elsewhere{10, 21};
  const auto record = decode_record(bytes, elsewhere);
  REQUIRE_FALSE(record.has_value());
  CHECK(record.error().kind == ErrorKind::corrupt);
  CHECK(record.error().message == "partition 1 continues at offset 20 instead of 21");
  CHECK(elsewhere == Offsets{10, 21});
}

TEST_CASE("any changed bit of a record is noticed") {
  Offsets next{0, 0};
  const std::string sound = one_record(next);
  for (std::size_t i = 0; i < sound.size(); ++i) {
    CAPTURE(i);
    std::string bytes = sound;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    const auto header = decode_header(bytes);
    CHECK((!header || !check_record(*header, bytes)));
  }
}

TEST_CASE("a record with a newer version says so instead of being damage") {
  Offsets next{0, 0};
  std::string bytes = one_record(next);
  bytes[12] = 2;
  const auto check = static_cast<std::uint32_t>(checksum(std::string_view(bytes).substr(8, 36)));
  std::memcpy(bytes.data() + 44, &check, sizeof check);
  const auto header = decode_header(bytes);
  REQUIRE_FALSE(header.has_value());
  CHECK(header.error().kind == ErrorKind::conflict);
  CHECK(header.error().message.find("version 2") != std::string::npos);
}

TEST_CASE("a record over the limit is refused before it is queued") {
  LogRecord record;
  record.positions = {{"s", "p", std::string(kPayloadMax, 'x')}};
  const auto prepared = prepare(std::move(record), 1);
  REQUIRE_FALSE(prepared.has_value());
  CHECK(prepared.error().kind == ErrorKind::limit);
}

TEST_CASE("a segment's header reads back, and only for its own number of partitions") {
  const SegmentHeader header{LogName::events, 42, Timestamp{5}, 40, 9000, {1, 2, 3}};
  const std::string bytes = encode(header);
  CHECK(bytes.size() == segment_header_bytes(3));
  CHECK(bytes.substr(8, 8) == std::string("PSEG\x01\x01\x03\0", 8));
  CHECK(decode_segment_header(bytes + "records", 3) == header);
  CHECK_FALSE(decode_segment_header(bytes, 2).has_value());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK_FALSE(decode_segment_header(damaged, 3).has_value());
    CHECK_FALSE(decode_segment_header(bytes.substr(0, i), 3).has_value());
  }
}

TEST_CASE("an index reads back, and never when it is damaged") {
  const SegmentIndex index{2, 42, 50, 9000, {{42, 64, Timestamp{5}, {1, 2}}, {47, 5000, Timestamp{-1}, {4, 900}}}};
  const std::string bytes = encode(index);
  CHECK(decode_segment_index(bytes) == index);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK_FALSE(decode_segment_index(damaged).has_value());
    CHECK_FALSE(decode_segment_index(bytes.substr(0, i)).has_value());
  }
}

TEST_CASE("segments are named by their first sequence, and nothing else is a segment") {
  CHECK(segment_name(42) == "00000000000000000042.seg");
  CHECK(index_name(42) == "00000000000000000042.idx");
  std::uint64_t sequence = 0;
  CHECK(parse_segment_name(segment_name(~0ULL), sequence));
  CHECK(sequence == ~0ULL);
  for (const char* other : {"42.seg", "00000000000000000042.idx", "0000000000000000004x.seg", "99999999999999999999.seg",
                            "00000000000000000042.seg.tmp", ""}) {
    CHECK_FALSE(parse_segment_name(other, sequence));
  }
}

}  // namespace
}  // namespace penstock::log_format
