#include "pipeline/log/record_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/check.h"
#include "pipeline/base/checksum.h"
#include "pipeline/base/codec.h"

namespace penstock::log_format {
namespace {

constexpr std::string_view kMagic = "\xF5\x50\xC0\x52";
constexpr std::size_t kHeaderCheckAt = 44;
constexpr std::size_t kLabelBytesMax = 4 * 10;  // four varints

std::uint32_t header_check(std::string_view record) {
  return static_cast<std::uint32_t>(checksum(record.substr(kMagicAt, kHeaderCheckAt - kMagicAt)));
}

struct StoredLabel {
  std::uint64_t partition = 0;
  std::uint64_t events = 0;
  std::uint64_t base_offset = 0;
  std::uint64_t bytes = 0;
};

// A count of things of which each takes at least one byte: never more than the bytes that are left.
Result<std::size_t> read_count(Reader& in) {
  TRY_ASSIGN(const std::uint64_t count, in.varint());
  if (count > in.remaining()) return fail(ErrorKind::corrupt, "a record counts more parts than it has bytes");
  return static_cast<std::size_t>(count);
}

Result<std::vector<StoredLabel>> read_labels(Reader& in) {
  TRY_ASSIGN(const std::size_t count, read_count(in));
  std::vector<StoredLabel> labels;
  labels.reserve(std::min<std::size_t>(count, 1024));
  for (std::size_t i = 0; i < count; ++i) {
    StoredLabel label;
    TRY_ASSIGN(label.partition, in.varint());
    TRY_ASSIGN(label.events, in.varint());
    TRY_ASSIGN(label.base_offset, in.varint());
    TRY_ASSIGN(label.bytes, in.varint());
    labels.push_back(label);
  }
  return labels;
}

Result<void> advance(const std::vector<StoredLabel>& labels, Offsets& next) {
  for (const StoredLabel& label : labels) {
    if (label.partition >= next.size()) {
      return fail(ErrorKind::corrupt, fmt::format("a chunk of partition {} in a log of {}", label.partition, next.size()));
    }
    std::uint64_t& offset = next[label.partition];
    if (label.base_offset != offset) {
      return fail(ErrorKind::corrupt, fmt::format("partition {} continues at offset {} instead of {}", label.partition,
                                                  label.base_offset, offset));
    }
    offset += label.events;
  }
  return {};
}

void write_rest(const LogRecord& record, std::string& out) {
  Writer to(out);
  to.varint(record.positions.size());
  for (const SourcePosition& position : record.positions) {
    to.text(position.source);
    to.text(position.partition);
    to.text(position.position);
  }
  to.varint(record.state.size());
  for (const StateChange& change : record.state) {
    to.text(change.table);
    to.text(change.key);
    to.text(change.value);
    to.varint(change.removed ? 1 : 0);
    to.signed_varint(change.expires_at.ms);
  }
  to.varint(record.dead.size());
  std::string letter;
  for (const DeadLetter& dead : record.dead) {
    letter.clear();
    encode(dead, letter);
    to.text(letter);
  }
}

Result<void> read_positions(Reader& in, StoredRecord& record) {
  TRY_ASSIGN(const std::size_t count, read_count(in));
  for (std::size_t i = 0; i < count; ++i) {
    SourcePosition& position = record.positions.emplace_back();
    TRY_ASSIGN(position.source, in.text());
    TRY_ASSIGN(position.partition, in.text());
    TRY_ASSIGN(position.position, in.text());
  }
  return {};
}

Result<void> read_state(Reader& in, StoredRecord& record) {
  TRY_ASSIGN(const std::size_t count, read_count(in));
  for (std::size_t i = 0; i < count; ++i) {
    StateChange& change = record.state.emplace_back();
    TRY_ASSIGN(change.table, in.text());
    TRY_ASSIGN(change.key, in.text());
    TRY_ASSIGN(change.value, in.text());
    TRY_ASSIGN(const std::uint64_t flags, in.varint());
    change.removed = (flags & 1) != 0;
    TRY_ASSIGN(change.expires_at.ms, in.signed_varint());
  }
  return {};
}

Result<void> read_dead(Reader& in, StoredRecord& record) {
  TRY_ASSIGN(const std::size_t count, read_count(in));
  for (std::size_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const std::string_view stored, in.text());
    TRY_ASSIGN(DeadLetter letter, decode_dead_letter(stored));
    record.dead.push_back(std::move(letter));
  }
  return {};
}

Result<void> read_chunks(Reader& in, const std::vector<StoredLabel>& labels, PartitionShare share, MemoryBudget* memory,
                         StoredRecord& record) {
  for (const StoredLabel& label : labels) {
    TRY_ASSIGN(const std::string_view stored, in.bytes(label.bytes));
    if (!share.has(static_cast<int>(label.partition))) continue;
    TRY_ASSIGN(auto chunk, Chunk::open(std::string(stored), memory));
    if (static_cast<std::uint64_t>(chunk->partition()) != label.partition || chunk->size() != label.events ||
        chunk->base_offset() != label.base_offset) {
      return fail(ErrorKind::corrupt, "a chunk is not the one its label announces");
    }
    record.chunks.push_back(std::move(chunk));
  }
  if (!in.at_end()) return fail(ErrorKind::corrupt, "a record goes on after its last chunk");
  return {};
}

}  // namespace

Result<RecordHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) return fail(ErrorKind::corrupt, "the file ends within the header of a record");
  if (bytes.substr(kMagicAt, kMagic.size()) != kMagic) return fail(ErrorKind::corrupt, "no record starts here");
  std::uint32_t check = 0;
  std::memcpy(&check, bytes.data() + kHeaderCheckAt, sizeof check);
  if (check != header_check(bytes)) return fail(ErrorKind::corrupt, "the header of a record fails its check");

  Reader in(bytes.substr(0, kRecordHeaderBytes));
  RecordHeader header;
  TRY_ASSIGN(header.checksum, in.fixed<std::uint64_t>());
  TRY(in.bytes(kMagic.size()));
  TRY_ASSIGN(const auto version, in.fixed<std::uint8_t>());
  TRY_ASSIGN(const auto kind, in.fixed<std::uint8_t>());
  TRY_ASSIGN(const auto flags, in.fixed<std::uint16_t>());
  if (version != kRecordVersion || kind != 0 || flags != 0) {
    return fail(ErrorKind::conflict,
                fmt::format("a record of version {} (kind {}, flags {}), newer than this program, which "
                            "knows version {}; use the newer program",
                            version, kind, flags, kRecordVersion));
  }
  TRY_ASSIGN(header.sequence, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.appended_at.ms, in.fixed<std::int64_t>());
  TRY_ASSIGN(header.group_start, in.fixed<std::uint64_t>());
  TRY_ASSIGN(header.payload_bytes, in.fixed<std::uint32_t>());
  if (header.payload_bytes > kPayloadMax) return fail(ErrorKind::corrupt, "a record claims more than 256 MiB");
  return header;
}

Result<void> check_record(const RecordHeader& header, std::string_view record) {
  if (record.size() != header.record_bytes()) return fail(ErrorKind::corrupt, "the file ends within a record");
  if (checksum(record.substr(kMagicAt)) != header.checksum) return fail(ErrorKind::corrupt, "a record fails its checksum");
  return {};
}

Result<PreparedRecord> prepare(LogRecord record, int partitions) {
  PreparedRecord prepared;
  prepared.chain_version = record.chain_version;
  write_rest(record, prepared.rest);
  prepared.bytes = kRecordHeaderBytes + 20 + prepared.rest.size();
  for (const std::string& chunk : record.chunks) {
    const auto label = chunk_label(chunk);
    if (!label) return fail(ErrorKind::invalid, "append: " + label.error().message);
    if (label->partition < 0 || label->partition >= partitions) {
      return fail(ErrorKind::invalid,
                  fmt::format("append: a chunk of partition {} in a log of {} partitions", label->partition, partitions));
    }
    prepared.labels.push_back({static_cast<std::uint64_t>(label->partition), label->events});
    prepared.bytes += chunk.size() + kLabelBytesMax;
  }
  prepared.chunks = std::move(record.chunks);
  if (prepared.bytes > kPayloadMax) {
    return fail(ErrorKind::limit,
                fmt::format("append: a record of {} bytes; at most {} go into one", prepared.bytes, kPayloadMax));
  }
  return prepared;
}

void append_record(PreparedRecord& record, const Place& place, Offsets& next, std::string& out) {
  const std::size_t start = out.size();
  out.append(kRecordHeaderBytes, '\0');
  Writer to(out);
  to.varint(record.chain_version);
  to.varint(record.chunks.size());
  for (std::size_t i = 0; i < record.chunks.size(); ++i) {
    const auto& label = record.labels[i];
    std::uint64_t& offset = next[label.partition];
    set_base_offset(record.chunks[i], offset);
    to.varint(label.partition);
    to.varint(label.events);
    to.varint(offset);
    to.varint(record.chunks[i].size());
    offset += label.events;
  }
  to.bytes(record.rest);
  for (const std::string& chunk : record.chunks) to.bytes(chunk);
  const std::size_t payload = out.size() - start - kRecordHeaderBytes;
  CHECK(payload <= kPayloadMax);

  std::string header;
  Writer head(header);
  head.fixed<std::uint64_t>(0);
  head.bytes(kMagic);
  head.fixed(kRecordVersion);
  head.fixed<std::uint8_t>(0);
  head.fixed<std::uint16_t>(0);
  head.fixed(place.sequence);
  head.fixed(place.appended_at.ms);
  head.fixed(place.group_start);
  head.fixed(static_cast<std::uint32_t>(payload));
  head.fixed(header_check(header));
  std::ranges::copy(header, out.begin() + static_cast<std::ptrdiff_t>(start));
  const std::uint64_t sum = checksum(std::string_view(out).substr(start + kMagicAt));
  std::memcpy(out.data() + start, &sum, sizeof sum);
}

Result<void> skip_record(std::string_view record, Offsets& next) {
  Reader in(record.substr(kRecordHeaderBytes));
  TRY(in.varint());
  TRY_ASSIGN(const auto labels, read_labels(in));
  return advance(labels, next);
}

Result<std::uint64_t> count_events(std::string_view record) {
  Reader in(record.substr(kRecordHeaderBytes));
  TRY(in.varint());
  TRY_ASSIGN(const auto labels, read_labels(in));
  std::uint64_t events = 0;
  for (const StoredLabel& label : labels) events += label.events;
  return events;
}

Result<std::shared_ptr<const StoredRecord>> decode_record(std::string_view record, Offsets& next, PartitionShare share,
                                                          MemoryBudget* memory) {
  TRY_ASSIGN(const RecordHeader header, decode_header(record));
  auto stored = std::make_shared<StoredRecord>();
  stored->sequence = header.sequence;
  stored->appended_at = header.appended_at;
  Reader in(record.substr(kRecordHeaderBytes));
  TRY_ASSIGN(stored->chain_version, in.varint());
  TRY_ASSIGN(const auto labels, read_labels(in));
  TRY(read_positions(in, *stored));
  TRY(read_state(in, *stored));
  TRY(read_dead(in, *stored));
  TRY(read_chunks(in, labels, share, memory, *stored));
  Offsets after = next;
  TRY(advance(labels, after));
  next = after;
  stored->next = std::move(after);
  return stored;
}

Result<LogRecord> take_apart(std::string_view record) {
  StoredRecord rest;
  Reader in(record.substr(kRecordHeaderBytes));
  LogRecord taken;
  TRY_ASSIGN(taken.chain_version, in.varint());
  TRY_ASSIGN(const auto labels, read_labels(in));
  TRY(read_positions(in, rest));
  TRY(read_state(in, rest));
  TRY(read_dead(in, rest));
  for (const StoredLabel& label : labels) {
    TRY_ASSIGN(const std::string_view stored, in.bytes(label.bytes));
    taken.chunks.emplace_back(stored);
  }
  taken.positions = std::move(rest.positions);
  taken.state = std::move(rest.state);
  taken.dead = std::move(rest.dead);
  return taken;
}

}  // namespace penstock::log_format
